"""PoseEngine in JavaScript against the Python one on the same frames: the embedded model and others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from js_calls import Js, JsError, numbers, rgba
from media import noise
from reference_frames import frames, references
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge import Detections, PoseEngine
from hpe_edge.geometry import geodesic_deg
from hpe_edge.models import DEFAULT
from hpe_edge.poses import Poses
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import SigmaCalibration

TOLERANCE_DEG = 0.01


def sample(name: str) -> tuple[np.ndarray, list[float]]:
    rows = dict(line.split(",", 1) for line in BOXES.read_text().splitlines()[1:])
    return cv2.imread(str(FOLDER / name)), [float(at) for at in rows[name].split(",")]


def turned_about(frame: np.ndarray, box: list[float], degrees: float) -> np.ndarray:
    center = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return cv2.warpAffine(frame, cv2.getRotationMatrix2D(center, -degrees, 1), frame.shape[1::-1])


def check(found: list[dict[str, Any]], poses: Poses, near_deg: float = TOLERANCE_DEG) -> None:
    assert len(found) == len(poses)
    rotation = numbers([pose["rotation"] for pose in found]).reshape(-1, 3, 3)
    assert geodesic_deg(rotation, poses.rotation).max(initial=0) < near_deg
    for name in ("angles", "sigma"):
        np.testing.assert_allclose(
            numbers([pose[name] for pose in found]).reshape(-1, 3), getattr(poses, name), atol=near_deg
        )
    for name in ("doubtful", "stretched"):
        assert [pose[name] for pose in found] == getattr(poses, name).tolist()


@pytest.mark.parametrize("name", ["astronaut.jpg", "grace_hopper.jpg"])
def test_sample_photos(js: Js, name: str) -> None:
    frame, box = sample(name)
    x1, y1, x2, y2 = box
    boxes = [box, [x1 - 20, y1 + 15, x2 + 9, y2 + 30], [x1 - 900, y1 - 700, x2 - 50, y2 - 20], [0, 0, 3, 4]]
    js("loadPose", file=DEFAULT.read_bytes())
    with PoseEngine() as engine:
        check(js("estimate", frame=rgba(frame), faces=[{"box": each} for each in boxes]), engine(frame, boxes))


@pytest.mark.parametrize("degrees", [-160, -90, -40, 10, 70])
def test_rolled_faces_are_estimated_twice(js: Js, degrees: float) -> None:
    frame, box = sample("astronaut.jpg")
    frame = turned_about(frame, box, degrees)
    js("loadPose", file=DEFAULT.read_bytes())
    with PoseEngine() as engine, PoseEngine(upright=None) as once:
        poses = engine(frame, [box])
        check(js("estimate", frame=rgba(frame), faces=[{"box": box}]), poses)
        apart = geodesic_deg(once(frame, [box]).rotation, poses.rotation)[0]
    assert (apart > 0.1) == (abs(degrees) > 15)


def test_key_points_turn_the_crop(js: Js) -> None:
    frame, box = sample("grace_hopper.jpg")
    points = np.float32([[230, 220], [300, 215], [262, 262], [240, 295], [300, 290]])
    unknown = np.full((5, 2), np.nan, np.float32)
    boxes = np.float32([box, box])
    js("loadPose", file=DEFAULT.read_bytes())
    faces = [{"box": box, "keypoints": points.tolist()}, {"box": box, "keypoints": None}]
    with PoseEngine() as engine:
        detections = Detections(boxes, boxes, np.ones(2, np.float32), np.stack([points, unknown]))
        check(js("estimate", frame=rgba(frame), faces=faces), engine(frame, detections))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_batches_of_any_size(js: Js, tmp_path: Path, count: int) -> None:
    frame = noise(120, 90)
    boxes = np.random.default_rng(1).uniform(0, 40, (count, 4)) + np.array([0, 0, 45, 45])
    for batch in (None, 1, 4):
        path = write_tiny_model(tmp_path / f"{batch}.onnx", batch=batch)
        js("loadPose", file=path.read_bytes())
        with PoseEngine(path) as engine:
            check(
                js("estimate", frame=rgba(frame), faces=[{"box": list(map(float, np.float32(box)))} for box in boxes]),
                engine(frame, boxes.reshape(-1, 4)),
            )


def test_uint8_pixels(js: Js, tmp_path: Path) -> None:
    plain = replace(tiny_spec().input, scale=1.0, mean=(0, 0, 0), std=(1, 1, 1), dtype="uint8")
    path = write_tiny_model(tmp_path / "a.onnx", spec=replace(tiny_spec(), input=plain), dtype=2)
    frame, boxes = noise(120, 90), [[10.5, 20, 60, 80]]
    js("loadPose", file=path.read_bytes())
    (pose,) = js("estimate", frame=rgba(frame), faces=[{"box": boxes[0]}])
    with PoseEngine(path) as engine:
        np.testing.assert_allclose(pose["angles"], engine(frame, boxes).angles[0], atol=0.2)  # rounded levels differ


def test_doubt_is_that_of_the_spec(js: Js, tmp_path: Path) -> None:
    for limit in (0.001, 1000.0, None):
        sigma = SigmaCalibration(1.0, 2.0, 0.5, 10, "labels.csv", True, limit)
        path = write_tiny_model(tmp_path / "a.onnx", spec=replace(tiny_spec(), sigma=sigma))
        js("loadPose", file=path.read_bytes())
        with PoseEngine(path) as engine:
            frame, box = noise(120, 90), [10.0, 20.0, 60.0, 80.0]
            check(js("estimate", frame=rgba(frame), faces=[{"box": box}]), engine(frame, [box]))


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [9, 5, 5, 9], [0, 0, 2e6, 9], [1, 2, 3], ["NaN", 0, 5, 5]], ids=str)
def test_boxes_that_cannot_be(node_js: Js, box: list[Any]) -> None:
    node_js("loadPose", file=DEFAULT.read_bytes())
    with pytest.raises(JsError, match="box 1 must be x1 y1 x2 y2") as failed:
        node_js("estimate", frame=rgba(noise()), faces=[{"box": [1, 1, 9, 9]}, {"box": box}])
    assert failed.value.name == "InputError"


def test_models_that_do_not_fit_their_spec(node_js: Js, tmp_path: Path) -> None:
    spec = tiny_spec()
    for wrong, says in (
        (replace(spec, input=replace(spec.input, size=32)), "the spec says that the input is"),
        (replace(spec, input=replace(spec.input, name="other")), "called other"),
        (replace(spec, outputs=("logits", "more")), "an output more"),
        (replace(spec, input=replace(spec.input, dtype="float16")), "float16"),
    ):
        path = write_tiny_model(tmp_path / "a.onnx", spec=wrong)
        with pytest.raises(JsError, match=says) as failed:
            node_js("loadPose", file=path.read_bytes())
        assert failed.value.name == "ModelError"
    whole = write_tiny_model(tmp_path / "a.onnx").read_bytes()
    with pytest.raises(JsError, match="cannot load this model"):
        node_js("loadPose", file=whole.replace(b"GlobalAveragePool", b"GlobalUnknownPool"))


def test_a_refused_model_leaves_the_one_before(node_js: Js, tmp_path: Path) -> None:
    node_js("loadPose", file=DEFAULT.read_bytes())
    with pytest.raises(JsError):
        node_js("loadPose", file=b"nonsense")
    frame, box = sample("astronaut.jpg")
    assert len(node_js("estimate", frame=rgba(frame), faces=[{"box": box}])) == 1


def test_frames_of_the_video(js: Js, data: Path) -> None:
    """The faces that YuNet found in a classroom, and their key points."""
    js("loadPose", file=DEFAULT.read_bytes())
    faces_seen = 0
    with PoseEngine() as engine:
        for entry in references(data)["frames"][:3]:
            frame, faces = frames(data)[entry["frame"]], entry["yunet"]
            boxes = np.array([face["box"] for face in faces], np.float32)
            points = np.array([face["landmarks"] for face in faces], np.float32).reshape(-1, 5, 2)
            given = [{"box": box, "keypoints": five} for box, five in zip(boxes.tolist(), points.tolist(), strict=True)]
            check(js("estimate", frame=rgba(frame), faces=given), engine(frame, boxes, keypoints=points))
            faces_seen += len(faces)
    assert faces_seen > 5
