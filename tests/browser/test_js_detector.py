"""The detector in JavaScript against EmbeddedDetector: whole frames, regions, and the frames of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from grid_model import write_grid_model
from js_calls import Js, JsError, rgba
from media import noise
from tiny_model import write_tiny_model

from hpe_edge import Detections
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.faces.grids.region_schedule import RegionSchedule
from hpe_edge.faces.open_detector import open_detector

TOLERANCE = 0.05  # pixels, of boxes of up to 1000: the native crop keeps its weights in fewer digits


def check(found: list[dict[str, Any]], wanted: Detections) -> None:
    """Compare faces, of which equal ones may have changed places."""
    assert len(found) == len(wanted) > 0
    assert wanted.keypoints is not None
    rows = [[*face["box"], *np.ravel(face["keypoints"]), 100 * face["score"]] for face in found]
    others = np.column_stack([wanted.drawn, wanted.keypoints.reshape(-1, 10), 100 * wanted.scores])
    apart = np.abs(np.array(rows)[:, None] - others).max(axis=2)
    assert apart.min(axis=1).max() < TOLERANCE and apart.min(axis=0).max() < TOLERANCE
    assert (np.diff([row[0] for row in rows]) >= 0).all()


@pytest.fixture
def detector(detector_file: Path) -> EmbeddedDetector:
    opened = open_detector(detector_file)
    assert isinstance(opened, EmbeddedDetector)
    return opened


@pytest.mark.parametrize("size", [(224, 128), (96, 200), (640, 480), (1000, 731), (37, 21)], ids=str)
def test_faces_of_a_frame(js: Js, detector_file: Path, detector: EmbeddedDetector, size: tuple[int, int]) -> None:
    frame = cv2.resize(noise(*(max(side // 4, 8) for side in size)), size, interpolation=cv2.INTER_NEAREST)
    js("loadDetector", file=detector_file.read_bytes())
    check(js("find", frame=rgba(frame)), detector(frame))


def test_faces_in_regions(js: Js, detector_file: Path, detector: EmbeddedDetector) -> None:
    frame = noise(300, 200)
    regions = np.float32([[10, 20, 138, 148], [-40, -30, 60, 70], [250, 150, 350, 250], [100.5, 50.25, 180.5, 130.25]])
    js("loadDetector", file=detector_file.read_bytes())
    check(js("findIn", frame=rgba(frame), regions=regions.tolist()), detector.find_in(frame, regions))


def test_frames_of_a_video(js: Js, detector_file: Path, detector: EmbeddedDetector) -> None:
    """Still and moving ones, a cut, another size, and blank ones, in which nothing is found."""
    js("loadDetector", file=detector_file.read_bytes())
    schedule = detector.for_video()
    first, other = noise(320, 256), noise(320, 256, seed=1)
    frames = [first] * 6 + [np.roll(first, 3 * k, axis=1) for k in range(4)] + [other] * 5 + [other[:200]] * 3
    for frame in frames:
        small = cv2.resize(cv2.resize(frame, None, fx=0.25, fy=0.25), frame.shape[1::-1])
        found, wanted = js("findNext", frame=rgba(small)), schedule(small)
        if found or len(wanted):
            check(found, wanted)


@pytest.mark.parametrize("count", [0, 1, 12, 13])
def test_frames_are_searched_whole_as_often_as_in_python(node_js: Js, count: int) -> None:
    boxes = np.float32([[40 * k, 10, 40 * k + 20, 40] for k in range(count)]).reshape(-1, 4)
    asked: list[Any] = []

    def whole(frame: np.ndarray) -> Detections:
        asked.append("whole")
        return Detections.from_boxes(boxes)

    def in_regions(frame: np.ndarray, regions: np.ndarray) -> Detections:
        asked.append(regions.tolist())
        return Detections.from_boxes(boxes)

    schedule = RegionSchedule(whole, in_regions)
    for _ in range(10):
        schedule(np.zeros((64, 64, 3), np.uint8))
    assert node_js("asked", boxes=boxes.tolist(), frames=10) == asked
    assert asked.count("whole") == (10 if count > 12 else 3)


def test_suppression_equals_the_definition(node_js: Js, rng: np.random.Generator) -> None:
    corners = rng.uniform(0, 60, (80, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (80, 2))], axis=1)
    scores = np.round(rng.uniform(0, 1, 80), 1)  # with ties
    faces = [{"box": list(box), "score": score} for box, score in zip(boxes, scores, strict=True)]
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(intersection_over_union(boxes[i], boxes[j]) <= 0.4 for j in kept):
            kept.append(int(i))
    found = node_js("suppress", faces=faces, iou=0.4)
    np.testing.assert_array_equal([face["box"] for face in found], boxes[kept])


def intersection_over_union(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    areas = [np.prod(box[2:] - box[:2]) for box in (a, b)]
    return float(np.prod(sides) / (sum(areas) - np.prod(sides)))


@pytest.mark.parametrize("kind", ["SCRFD", "pose", "tiny without a spec", "logits", "HTML", "cut off"])
def test_files_that_are_no_detector(node_js: Js, tmp_path: Path, detector_file: Path, kind: str) -> None:
    path = tmp_path / "a.onnx"
    strides = EmbeddedDetector.STRIDES
    says = "no face detector"
    if kind == "SCRFD":
        write_grid_model(path, (1, 4, 10), 2, size_hw=None)
    elif kind == "pose":
        write_tiny_model(path)
        says = "head-pose model"
    elif kind == "tiny without a spec":
        write_tiny_model(path, spec=None)
    elif kind == "logits":
        write_grid_model(path, (1, 4, 10), 1, size_hw=None, strides=strides, score_op="Identity", offset=3.0)
        says = "not within 0..1"
    else:
        path.write_bytes(b"<html>" if kind == "HTML" else detector_file.read_bytes()[:1000])
        says = "not an ONNX model"
    with pytest.raises(JsError, match=says) as failed:
        node_js("loadDetector", file=path.read_bytes())
    assert failed.value.name == "ModelError"
