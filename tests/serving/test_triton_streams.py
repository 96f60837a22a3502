"""The stream model on a real Triton server: results of hpe_edge.track per camera, limits, lost state."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
from served import CAMERAS, FACE, IDLE_S, Client

import hpe_edge
from benchmarks.harness.load import all_at_once
from hpe_edge import Detections
from hpe_edge.geometry import geodesic_deg
from hpe_edge.sources.frame import Frame

FPS, FRAMES = 10.0, 12


class Shown:
    """A camera that pans over the photo: a source and the detector of its frames."""

    kind, live, fps, name = "video", False, FPS, "shown"

    def __init__(self, photo: np.ndarray, camera: int, *, every: int = 1) -> None:
        self.notes: list[str] = []
        self.every = every
        steps = [(8 * camera + 3 * k, 2 * k) for k in range(FRAMES)]
        self.images = [np.ascontiguousarray(photo[y : y + 400, x : x + 420]) for x, y in steps]
        self.boxes = [FACE - np.array([x, y, x, y], np.float32) for x, y in steps]

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self.images):
            yield Frame(self.name, index, index / FPS, image)

    def __call__(self, image: np.ndarray) -> Detections:
        (index,) = (k for k, each in enumerate(self.images) if each is image)
        return Detections.from_boxes(self.boxes[index], [0.9])

    def close(self) -> None:
        pass


def ask(client: Client, number: int, shown: Shown, k: int, **options: Any) -> Any:
    boxes = shown.boxes[k] if k % shown.every == 0 else None
    edges = {"sequence_start": k == 0, "sequence_end": k == FRAMES - 1}
    return client.stream(number, shown.images[k], k / FPS, boxes, **{**edges, **options})


@pytest.mark.parametrize("every", [1, 3])
def test_cameras_are_tracked_and_smoothed_as_in_a_run(
    client: Client, server: Any, photo: np.ndarray, every: int
) -> None:
    """Several cameras at once, each with its own identities; with ``every`` 3 boxes come with each third frame."""
    cameras = {number: Shown(photo, number, every=every) for number in range(1, 5)}
    before = client.counts("head_pose_stream"), client.counts("head_pose_network")
    found: dict[int, list[Any]] = {number: [] for number in cameras}

    def play(number: int) -> None:
        own = Client(server)
        for k in range(FRAMES):
            found[number].append(ask(own, number, cameras[number], k))
        own.close()

    all_at_once([partial(play, number) for number in cameras])
    inferences, runs = np.subtract(client.counts("head_pose_stream"), before[0])
    assert inferences == 4 * FRAMES and runs < inferences
    for number in cameras:
        source: Any = Shown(photo, number)
        wanted = hpe_edge.track(source, detector=source, smooth=True, detect_every=every)
        for got, result in zip(found[number], islice(wanted, FRAMES), strict=True):
            assert geodesic_deg(got["ROTATION"][0], result.poses.rotation).max() < 2e-3
            np.testing.assert_array_equal(got["IDS"][0], result.poses.ids)
            np.testing.assert_allclose(got["BOXES"][0], result.poses.boxes, atol=1e-3)
            assert got["ANGLES"].shape == (1, 1, 3) and got["IDS"][0, 0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TIME": np.array([[np.nan]])}, "TIME must be seconds"),
        ({"BOXES": FACE[None] / 512}, "fractions of the frame"),
        ({"FRAME": np.zeros((2, 9, 9, 3), np.uint8), "TIME": np.zeros((2, 1))}, "one frame|batch"),
        ({"BOXES": None, "SCORES": np.ones((1, 1), np.float32)}, "SCORES are those of BOXES"),
        ({"SCORES": np.ones((1, 2), np.float32)}, "one score per box"),
        ({"BOXES": None, "KEYPOINTS": np.ones((1, 1, 5, 2), np.float32)}, "KEYPOINTS are those of BOXES"),
        ({"KEYPOINTS": np.ones((1, 2, 5, 2), np.float32)}, "for 1 boxes"),
    ],
)
def test_bad_input_is_refused_and_leaves_the_camera_as_it_was(
    client: Client, photo: np.ndarray, change: dict[str, Any], message: str
) -> None:
    from tritonclient.utils import InferenceServerException

    first = client.stream(77, photo, 0.0, FACE, sequence_start=True)
    arrays = {"FRAME": photo[None], "TIME": np.array([[0.1]]), "BOXES": FACE[None], **change}
    with pytest.raises(InferenceServerException, match=message) as caught:
        client(
            "head_pose_stream",
            {name: array for name, array in arrays.items() if array is not None},
            sequence_id=77,
        )
    assert "INVALID_ARGUMENT" in caught.value.status()
    last = client.stream(77, photo, 0.1, FACE, sequence_end=True)
    assert first["IDS"] == last["IDS"] == 0


def test_too_many_cameras_are_refused_in_words_until_one_ends(client: Client, photo: np.ndarray) -> None:
    from tritonclient.utils import InferenceServerException

    tight = partial(client.stream, image=photo, boxes=FACE, model="tight_stream")
    for camera in range(1, CAMERAS + 1):
        tight(camera, time_s=0.0, sequence_start=True)
    for _ in range(2):
        with pytest.raises(InferenceServerException, match=rf"one too many.*follows {CAMERAS}") as caught:
            tight(9, time_s=0.0, sequence_start=True)
        assert "UNAVAILABLE" in caught.value.status()
    with pytest.raises(InferenceServerException, match="are not known here"):
        tight(9, time_s=0.1)
    tight(1, time_s=0.1, sequence_end=True)
    assert tight(9, time_s=0.2, sequence_start=True)["IDS"] == 0
    tight(9, time_s=0.3, sequence_end=True)
    # Camera 2 falls silent: the server ends it, and its place is free after one and a half times that time.
    time.sleep(1.5 * IDLE_S + 0.5)
    for camera in range(3, 3 + CAMERAS):
        tight(camera, time_s=0.0, sequence_start=True)
    for camera in range(3, 3 + CAMERAS):
        tight(camera, time_s=0.1, sequence_end=True)


def test_a_killed_process_asks_for_a_new_sequence(client: Client, server: Any, photo: np.ndarray) -> None:
    from tritonclient.utils import InferenceServerException

    assert client.stream(5, photo, 0.0, FACE, sequence_start=True)["IDS"] == 0
    (process,) = server.processes("head_pose_stream")
    os.kill(process, signal.SIGKILL)
    with pytest.raises(InferenceServerException, match="not healthy"):
        client.stream(5, photo, 0.1, FACE)
    client.reload("head_pose_stream")
    with pytest.raises(InferenceServerException, match="START"):
        client.stream(5, photo, 0.2, FACE)
    assert client.stream(5, photo, 0.3, FACE, sequence_start=True, sequence_end=True)["IDS"] == 0
