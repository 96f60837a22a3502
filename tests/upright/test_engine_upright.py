"""PoseEngine with upright crops: turned crops in, poses turned back out, in every mode and on every way in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import reference
from tiny_model import tiny_spec, tiny_weights, write_tiny_model

from hpe_edge import Camera, Crop, Detections, DynamicBatcher, InputError, ModelError, ModelSpec, PoseEngine
from hpe_edge.geometry import difference_deg, geodesic_deg, rotation_from_euler
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.rectify import facing
from hpe_edge.ops.turns import SECOND_PASS_ROLL_DEG, roll_from_keypoints
from hpe_edge.samples import FOLDER
from hpe_edge.upright.keypoint_roll import roll_of_rotation

BOXES = np.float32([[30, 20, 60, 56], [5, 25, 40, 66], [60, 20, 90, 45], [20, 30, 70, 75]])
TURNS = np.float32([20, -35, 0, 80])
UPRIGHT_POINTS = np.float32([[-8, -10], [8, -10], [0, 2], [-6, 10], [6, 10]])


def points(turns: np.ndarray) -> np.ndarray:
    """Key points of faces of these rolls; NaN for NaN."""
    return np.float32([50 + UPRIGHT_POINTS @ reference.rz(float(turn))[:2, :2].T for turn in turns])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("upright") / "tiny.onnx")


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


def network(crops: np.ndarray) -> np.ndarray:
    """Angles ``[N, 3]`` of the tiny model."""
    weight, bias = tiny_weights()
    logits = crops.mean(axis=(2, 3), dtype=np.float64) @ weight + bias
    heads = [reference.decode_bins(logits[:, i * 66 : i * 66 + 66], -99, 3, False)[0] for i in range(3)]
    return np.stack(heads, axis=-1)


def expected(frame: np.ndarray, turns: np.ndarray, boxes: np.ndarray = BOXES) -> np.ndarray:
    """Rotations: the network's of the turned crops, turned back by their definition."""
    spec = tiny_spec()
    angles = network(CropNormalize(spec.crop, spec.input)(frame, boxes, turns_deg=turns))
    return np.stack([reference.rz(t) @ reference.rotation(*a) for t, a in zip(turns, angles, strict=True)])


def test_key_points_turn_the_crops(model: Path, frame: np.ndarray) -> None:
    poses = PoseEngine(model, upright="keypoints")(frame, BOXES, keypoints=points(TURNS))
    want = expected(frame, TURNS)
    assert geodesic_deg(poses.rotation, want).max() < 0.05
    assert geodesic_deg(rotation_from_euler(poses.angles), want).max() < 0.05
    np.testing.assert_array_equal(poses.boxes, BOXES)
    assert geodesic_deg(expected(frame, TURNS * 0), want)[[0, 1, 3]].min() > 3


def test_faces_of_unknown_roll_get_the_plain_crop(model: Path, frame: np.ndarray) -> None:
    given = points(TURNS)
    given[[0, 2]] = np.nan
    engine, plain = PoseEngine(model, upright="keypoints"), PoseEngine(model)(frame, BOXES)
    poses = engine(frame, BOXES, keypoints=given)
    for rows, want in (([0, 2], plain[[0, 2]].rotation), ([1, 3], expected(frame, TURNS)[[1, 3]])):
        assert geodesic_deg(poses.rotation[rows], want).max() < 0.05
    np.testing.assert_array_equal(engine(frame, BOXES).angles, plain.angles)
    np.testing.assert_array_equal(PoseEngine(model, upright=None)(frame, BOXES, keypoints=given).angles, plain.angles)


def test_the_second_pass_turns_by_the_roll_of_the_first(model: Path, rng: np.random.Generator) -> None:
    frame = np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    boxes = np.float32(rng.uniform(0, 40, (40, 2)))
    boxes = np.concatenate([boxes, boxes + rng.uniform(10, 40, (40, 2)).astype(np.float32)], axis=1)
    plain = PoseEngine(model)(frame, boxes)
    rolls = roll_of_rotation(plain.rotation)
    far = np.abs(rolls) > SECOND_PASS_ROLL_DEG
    assert 5 < far.sum() < 35
    poses = PoseEngine(model, upright="second-pass")(frame, boxes)
    np.testing.assert_array_equal(poses.angles[~far], plain.angles[~far])
    assert geodesic_deg(poses.rotation[far], expected(frame, rolls[far], boxes[far])).max() < 0.05
    # Key points are the first turn; who still is rolled in its crop then gets the second pass, and nobody else.
    given = np.where(np.arange(40) % 2, rolls, np.nan).astype(np.float32)
    first = PoseEngine(model, upright="keypoints")(frame, boxes, keypoints=points(given))
    left = np.abs(difference_deg(roll_of_rotation(first.rotation), np.nan_to_num(given))) > SECOND_PASS_ROLL_DEG
    both = PoseEngine(model, upright="second-pass")(frame, boxes, keypoints=points(given))
    np.testing.assert_array_equal(both.angles[~left], first.angles[~left])
    turns = roll_of_rotation(first.rotation)[left]
    assert left.any() and geodesic_deg(both.rotation[left], expected(frame, turns, boxes[left])).max() < 0.05


@pytest.mark.parametrize("upright", ["keypoints", "second-pass"])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_frames_that_share_batches_get_the_poses_of_separate_calls(
    tmp_path: Path, frame: np.ndarray, batch: int | None, upright: str
) -> None:
    engine = PoseEngine(write_tiny_model(tmp_path / "tiny.onnx", batch=batch), upright=upright, threads=1)
    camera = Camera(300, 300, 50, 40)
    options = [{"keypoints": points(TURNS)}, {}, {"keypoints": points(-TURNS), "camera": camera}, {"camera": camera}]
    frames = [np.roll(frame, 7 * k, axis=1) for k in range(4)]
    alone = [engine(picture, BOXES, **each) for picture, each in zip(frames, options, strict=True)]
    requests = [engine.request(picture, BOXES, **each) for picture, each in zip(frames, options, strict=True)]
    for got, want in zip(engine.many(requests), alone, strict=True):
        np.testing.assert_allclose(got.rotation, want.rotation, atol=1e-5)
    with DynamicBatcher(engine) as batcher:
        stream = batcher.stream(capacity=4)
        for picture, each in zip(frames, options, strict=True):
            stream.submit(picture, BOXES, **each)
        for want in alone:
            outcome = stream.result(20)
            assert outcome is not None and outcome.poses is not None
            np.testing.assert_allclose(outcome.poses.rotation, want.rotation, atol=1e-5)


def test_a_turned_crop_is_not_clipped(model: Path, frame: np.ndarray) -> None:
    """Clipping would stretch what is left of a window that leaves the frame; turned, the rest is fill."""
    box, given = np.float32([[-20, 10, 30, 60]]), points(np.float32([30]))
    clipped, filled = Crop((0.2,) * 4, clip=True, fill=(9, 200, 30)), Crop((0.2,) * 4, fill=(9, 200, 30))
    turned = [
        PoseEngine(model, upright="keypoints", crop=crop)(frame, box, keypoints=given) for crop in (clipped, filled)
    ]
    plain = [PoseEngine(model, crop=crop)(frame, box) for crop in (clipped, filled)]
    np.testing.assert_array_equal(turned[0].angles, turned[1].angles)
    assert geodesic_deg(plain[0].rotation, plain[1].rotation)[0] > 1


@pytest.mark.parametrize("color", ["BGR", "GRAY8", "NV12"])
def test_formats(model: Path, rng: np.random.Generator, color: str) -> None:
    shape = {"GRAY8": (80, 100), "NV12": (120, 100)}.get(color, (80, 100, 3))
    frame = rng.integers(0, 256, shape, dtype=np.uint8)
    levels = {
        "GRAY8": lambda: np.repeat(frame[..., None], 3, axis=2),
        "NV12": lambda: np.rint(reference.nv12_to_bgr(frame[:80], frame[80:])).astype(np.uint8),
    }.get(color, lambda: frame)()
    engine = PoseEngine(model, upright="keypoints")
    got = engine(frame, BOXES, keypoints=points(TURNS), color=color)  # type: ignore[arg-type]
    assert geodesic_deg(got.rotation, engine(levels, BOXES, keypoints=points(TURNS)).rotation).max() < 0.5


@pytest.mark.parametrize("turn", [0.0, -50.0, 100.0])
def test_views_of_a_camera_that_is_turned_about_its_axis(turn: float) -> None:
    """The homography is that of the camera R_view Rz(turn), which sees the face's points upright."""
    camera, size = Camera(700, 650, 330, 250), 64
    box = np.float32([[480, 90, 560, 190]])
    k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    face = facing(camera, box)
    views = face.views(Crop((0.1,) * 4), size, np.float32([turn]))
    rotation = views.rotations[0] @ reference.rz(turn)
    crop_camera = np.linalg.inv(np.linalg.inv(rotation) @ np.linalg.inv(k) @ views.homographies[0])
    crop_camera /= crop_camera[2, 2]
    assert np.abs(crop_camera[[0, 1, 2, 2], [1, 0, 0, 1]]).max() < 1e-6 * crop_camera[0, 0]
    middle = views.homographies[0] @ [size / 2, size / 2, 1]
    plain = face.views(Crop((0.1,) * 4), size).homographies[0] @ [size / 2, size / 2, 1]
    np.testing.assert_allclose(middle[:2] / middle[2], plain[:2] / plain[2], atol=1e-6)


def test_rectified_poses_are_turned_back(model: Path, frame: np.ndarray) -> None:
    camera, spec = Camera(80, 80, 50, 40), tiny_spec()
    given = points(TURNS)
    face = facing(camera, BOXES)
    turns = roll_from_keypoints(face.points(given))
    views = face.views(spec.crop, spec.input.size, turns)
    angles = network(CropNormalize(spec.crop, spec.input).warp(frame, views.homographies))
    want = [
        r @ reference.rz(t) @ reference.rotation(*a) for r, t, a in zip(views.rotations, turns, angles, strict=True)
    ]
    poses = PoseEngine(model, upright="keypoints")(frame, BOXES, keypoints=given, camera=camera)
    assert geodesic_deg(poses.rotation, np.array(want)).max() < 0.05
    # Seen from afar, as without a camera.
    far = PoseEngine(model, upright="keypoints")(frame, BOXES, keypoints=given, camera=Camera(1e6, 1e6, 50, 40))
    assert geodesic_deg(far.rotation, expected(frame, TURNS)).max() < 3


def test_detections_bring_key_points_and_rolls(model: Path, frame: np.ndarray) -> None:
    engine = PoseEngine(model, upright="keypoints")
    scores = np.ones(4, np.float32)
    want = engine(frame, BOXES, keypoints=points(TURNS))
    brought = Detections(BOXES, BOXES, scores, points(TURNS))
    np.testing.assert_array_equal(engine(frame, brought).angles, want.angles)
    tracked = Detections(BOXES, BOXES, scores, rolls=TURNS)
    np.testing.assert_allclose(engine(frame, tracked).angles, want.angles, atol=1e-2)
    # Points where they are known, else the roll.
    half = points(np.where(np.arange(4) < 2, TURNS, np.nan))
    mixed = Detections(BOXES, BOXES, scores, half, rolls=np.where(np.arange(4) < 2, 77, TURNS).astype(np.float32))
    np.testing.assert_allclose(engine(frame, mixed).angles, want.angles, atol=1e-2)
    with pytest.raises(InputError, match="leave out keypoints="):
        engine(frame, brought, keypoints=points(TURNS))


def test_the_models_spec_is_the_default(tmp_path: Path, frame: np.ndarray) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", spec=replace(tiny_spec(), upright="keypoints"))
    given = points(TURNS)
    with (
        PoseEngine(path) as own,
        PoseEngine(path, upright=None) as none,
        PoseEngine(path, upright="second-pass") as two,
    ):
        assert (own.upright, none.upright, two.upright) == ("keypoints", None, "second-pass")
        assert geodesic_deg(own(frame, BOXES, keypoints=given).rotation, expected(frame, TURNS)).max() < 0.05
        assert geodesic_deg(none(frame, BOXES, keypoints=given).rotation, expected(frame, TURNS * 0)).max() < 0.05


def test_the_spec_says_it() -> None:
    spec = replace(tiny_spec(), upright="second-pass")
    assert ModelSpec.from_json(spec.to_json()) == spec
    older = spec.to_json().replace(', "upright": "second-pass"', "")
    assert ModelSpec.from_json(older) == tiny_spec()
    with pytest.raises(ModelError, match=r"upright must be one of keypoints, second-pass"):
        replace(tiny_spec(), upright="eyes")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"spec\.upright"):
        ModelSpec.from_json(spec.to_json().replace("second-pass", "eyes"))


def test_bad_arguments(model: Path, frame: np.ndarray) -> None:
    with pytest.raises(InputError, match="upright must be one of model, keypoints, second-pass"):
        PoseEngine(model, upright="eyes")  # type: ignore[arg-type]
    engine = PoseEngine(model)
    with pytest.raises(InputError, match=r"keypoints must be \[N, 5, 2\]"):
        engine(frame, BOXES, keypoints=points(TURNS)[:2])
    with pytest.raises(InputError, match="keypoints= are those of boxes"):
        engine(frame, keypoints=points(TURNS))
    assert len(PoseEngine(model, upright="second-pass")(frame, [], keypoints=[])) == 0


def test_a_turned_photo_shows_the_turned_pose() -> None:
    """The embedded model, on a photo turned by 50 degrees: twice as near as without upright crops."""
    photo = cv2.imread(str(FOLDER / "grace_hopper.jpg"))
    height, width = photo.shape[:2]
    box = np.float32([[210, 120, 330, 260]])
    center = (box[0, :2] + box[0, 2:]) / 2
    matrix = cv2.getRotationMatrix2D((float(center[0]) - 0.5, float(center[1]) - 0.5), -50, 1)
    turned = cv2.warpAffine(photo, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    off = {}
    for upright, given in ((None, None), ("keypoints", points(np.float32([50]))), ("second-pass", None)):
        engine = PoseEngine(upright=upright, threads=1)  # type: ignore[arg-type]
        straight = engine(photo, box, boxes_from="landmarks").rotation[0]
        pose = engine(turned, box, boxes_from="landmarks", keypoints=given)
        off[upright] = float(geodesic_deg(reference.rz(50) @ straight, pose.rotation[0]))
    assert off["keypoints"] < 2 and off["second-pass"] < 0.6 * off[None]


@pytest.mark.parametrize("kind", [np.float64, np.float16, list])
def test_rolls_of_any_kind_of_number(model: Path, frame: np.ndarray, kind: Any) -> None:
    scores, turns = np.ones(4, np.float32), np.round(TURNS)
    with PoseEngine(model, upright="keypoints") as engine:
        wanted = engine(frame, Detections(BOXES, BOXES, scores, rolls=turns))
        given = turns.tolist() if kind is list else turns.astype(kind)
        found = engine(frame, Detections(BOXES, BOXES, scores, rolls=given))
        np.testing.assert_array_equal(found.angles, wanted.angles)
        unknown = engine(frame, Detections(BOXES, BOXES, scores, rolls=np.full(4, np.inf)))
        np.testing.assert_array_equal(unknown.angles, engine(frame, BOXES).angles)
        with pytest.raises(InputError, match="rolls must have one value per box"):
            engine(frame, Detections(BOXES, BOXES, scores, rolls=turns[:3]))
