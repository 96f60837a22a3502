"""The frame and network models on a real Triton server: poses, batches, bad input, overload, a killed process."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from served import FACE, Client

from benchmarks.harness.load import all_at_once
from hpe_edge import PoseEngine
from hpe_edge.geometry import geodesic_deg
from hpe_edge.models import DEFAULT

STREAMS, FRAMES = 6, 6


@pytest.fixture(scope="module")
def engine() -> PoseEngine:
    return PoseEngine()


def shifted(count: int, seed: int) -> np.ndarray:
    """Boxes near the face, so that every answer differs."""
    offsets = np.random.default_rng(seed).uniform(-6, 6, (count, 4)).astype(np.float32)
    return FACE + offsets


@pytest.mark.parametrize("faces", [0, 1, 5, 40])
def test_poses_are_the_engines(client: Client, engine: PoseEngine, photo: np.ndarray, faces: int) -> None:
    """40 faces are more than the network's largest batch."""
    boxes = shifted(faces, faces)
    got, wanted = client.frame(photo, boxes), engine(photo, boxes)
    assert got["ANGLES"].shape == (1, faces, 3)
    assert geodesic_deg(got["ROTATION"][0], wanted.rotation).max(initial=0) < 1e-3  # batches differ
    np.testing.assert_allclose(got["ANGLES"][0], wanted.angles, atol=1e-3)
    np.testing.assert_allclose(got["SIGMA"][0], wanted.sigma, atol=1e-3)
    np.testing.assert_array_equal(got["DOUBTFUL"][0], wanted.doubtful)


def test_frames_of_many_sizes_share_batches(client: Client, server: Any, photo: np.ndarray, engine: PoseEngine) -> None:
    """Answers are right under load, and the network runs less often than it is asked."""
    frames = [np.ascontiguousarray(photo[: 400 + 10 * k, : 500 - 10 * k]) for k in range(STREAMS)]
    before = client.counts("head_pose_network"), client.counts("head_pose_frame")
    worst: list[float] = []
    together = threading.Barrier(STREAMS, timeout=60)

    def stream(k: int) -> None:
        own = Client(server)
        for number in range(FRAMES):
            boxes = shifted(1 + k % 3, 100 * k + number)
            together.wait()  # so that requests meet in the queue, also on a busy machine
            got = own.frame(frames[k], boxes)["ROTATION"][0]
            worst.append(geodesic_deg(got, engine(frames[k], boxes).rotation).max())
        own.close()

    all_at_once([partial(stream, k) for k in range(STREAMS)])
    after = client.counts("head_pose_network"), client.counts("head_pose_frame")
    for (inferences_before, runs_before), (inferences, runs) in zip(before, after, strict=True):
        assert runs - runs_before < inferences - inferences_before
    assert len(worst) == STREAMS * FRAMES and max(worst) < 1e-3


def test_stacked_frames(client: Client, engine: PoseEngine, photo: np.ndarray) -> None:
    frames, boxes = np.stack([photo, photo[:, ::-1]]), np.stack([shifted(2, 0), shifted(2, 1)])
    got = client("head_pose_frame", {"FRAME": frames, "BOXES": boxes})["ANGLES"]
    for k in range(2):
        np.testing.assert_allclose(got[k], engine(np.ascontiguousarray(frames[k]), boxes[k]).angles, atol=1e-3)


def test_key_points_turn_the_crops(client: Client, engine: PoseEngine, photo: np.ndarray) -> None:
    around = cv2.getRotationMatrix2D((float(FACE[0, [0, 2]].mean()), float(FACE[0, [1, 3]].mean())), -50, 1)
    frame = cv2.warpAffine(photo, around, photo.shape[1::-1])
    x, y, size = FACE[0, 0], FACE[0, 1], FACE[0, 2] - FACE[0, 0]
    upright = np.array([(0.3, 0.3), (0.7, 0.3), (0.5, 0.55), (0.35, 0.8), (0.65, 0.8)]) * size + (x, y)
    points = (upright @ around[:, :2].T + around[:, 2]).astype(np.float32)[None]
    wanted, without = engine(frame, FACE, keypoints=points).angles, engine(frame, FACE).angles
    got = client("head_pose_frame", {"FRAME": frame[None], "BOXES": FACE[None], "KEYPOINTS": points[None]})["ANGLES"]
    np.testing.assert_allclose(got[0], wanted, atol=1e-3)
    assert np.abs(wanted - without).max() > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"KEYPOINTS": np.zeros((1, 2, 5, 2), np.float32)}, "for 1 boxes"),
        ({"KEYPOINTS": np.full((1, 1, 5, 2), np.inf, np.float32)}, "infinite"),
        ({"KEYPOINTS": np.zeros((1, 1, 4, 2), np.float32)}, "unexpected shape for input 'KEYPOINTS'"),
        ({"BOXES": FACE[None] / 512}, "fractions of the frame"),
        ({"BOXES": FACE[None, :, ::-1].copy()}, "x1 < x2"),
        ({"BOXES": np.full((1, 1, 4), np.nan, np.float32)}, "finite"),
        ({"FRAME": np.zeros((1, 0, 0, 3), np.uint8)}, "1..65536 pixels"),
        ({"FRAME": np.zeros((2, 9, 9, 3), np.uint8)}, "2 frames and 1 of boxes|batch"),
        ({"FRAME": np.zeros((1, 9, 9, 2), np.uint8)}, "unexpected shape for input 'FRAME'"),
    ],
)
def test_bad_input_is_refused_and_spares_the_others(
    client: Client, server: Any, photo: np.ndarray, change: dict[str, np.ndarray], message: str
) -> None:
    from tritonclient.utils import InferenceServerException

    good: list[np.ndarray] = []

    def right() -> None:
        own = Client(server)
        good.extend(own.frame(photo, FACE)["ANGLES"] for _ in range(3))
        own.close()

    def wrong() -> None:
        with pytest.raises(InferenceServerException, match=message) as caught:
            client("head_pose_frame", {"FRAME": photo[None], "BOXES": FACE[None], **change})
        assert "INVALID_ARGUMENT" in caught.value.status()

    all_at_once([right, wrong])
    assert len(good) == 3 and np.ptp(good, axis=0).max() < 1e-3


def test_crops_of_several_requests_share_a_run(client: Client, server: Any, rng: np.random.Generator) -> None:
    """Each request gets the rows of its own crops, as ONNX Runtime gives them; 9 crops are two runs on a CPU."""
    session = onnxruntime.InferenceSession(DEFAULT, providers=["CPUExecutionProvider"])
    given = [rng.normal(0, 1, (count, 3, 112, 112)).astype(np.float32) for count in (1, 2, 3, 9, 1, 2, 3, 4)]
    wanted = [session.run(None, {"image": crops})[0] for crops in given]
    inferences, runs = client.counts("head_pose_network")
    rounds, together = 8, threading.Barrier(len(given), timeout=60)

    def ask(crops: np.ndarray, logits: np.ndarray) -> None:
        own = Client(server)
        for _ in range(rounds):
            together.wait()
            np.testing.assert_allclose(own("head_pose_network", {"image": crops})["logits"], logits, atol=1e-3)
        own.close()

    all_at_once([partial(ask, *each) for each in zip(given, wanted, strict=True)])
    after = client.counts("head_pose_network")
    assert after[0] - inferences == rounds * sum(map(len, given)) and after[1] - runs < rounds * len(given)


def test_the_network_refuses_other_crops(client: Client) -> None:
    from tritonclient.utils import InferenceServerException

    crops = np.zeros((3, 3, 112, 112), np.float32)
    assert client("head_pose_network", {"image": crops})["logits"].shape[0] == 3
    with pytest.raises(InferenceServerException, match="image"):
        client("head_pose_network", {"image": crops[:, :, :64]})


def test_overload_is_answered_at_once(client: Client, server: Any, photo: np.ndarray) -> None:
    """Of more requests than the queue holds some are refused in words; the others are answered rightly."""
    from tritonclient.utils import InferenceServerException

    wanted = client.frame(photo, FACE, "tight_frame")["ANGLES"]
    answers: list[np.ndarray] = []
    refused: list[InferenceServerException] = []

    def press() -> None:
        own = Client(server)
        for _ in range(4):
            try:
                answers.append(own.frame(photo, FACE, "tight_frame")["ANGLES"])
            except InferenceServerException as error:
                refused.append(error)
        own.close()

    all_at_once([press] * 8)
    assert len(answers) + len(refused) == 32 and answers and refused
    assert all(np.array_equal(angles, wanted) for angles in answers)
    assert {error.status() for error in refused} == {"StatusCode.UNAVAILABLE"}
    assert all("Exceeds maximum queue size" in error.message() for error in refused)
    client.frame(photo, FACE, "tight_frame")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("head_pose_network", r"head_pose_network did not answer .* unload and load head_pose_network"),
        ("head_pose_frame", "Stub process 'head_pose_frame_0_0' is not healthy"),
    ],
)
def test_a_killed_process_fails_in_words_until_it_is_loaded_again(
    client: Client, server: Any, photo: np.ndarray, model: str, message: str
) -> None:
    from tritonclient.utils import InferenceServerException

    wanted = client.frame(photo, FACE)["ANGLES"]
    (process,) = server.processes(model)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(InferenceServerException, match=message):
        client.frame(photo, FACE)
    client.reload(model)
    np.testing.assert_array_equal(client.frame(photo, FACE)["ANGLES"], wanted)
