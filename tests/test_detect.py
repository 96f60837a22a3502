"""The Haar detector: its boxes fit as landmarks do, and a missing cascade says what to do."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

import hpe_edge
from hpe_edge.detect import HaarDetector, landmark_boxes
from hpe_edge.errors import BackendError

SAMPLES = Path(hpe_edge.__file__).parent / "samples"


def iou(a: np.ndarray, b: np.ndarray) -> float:
    overlap = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(overlap / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap))


def labelled(folder: Path, limit: int) -> list[tuple[Path, np.ndarray]]:
    with (folder / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if abs(float(row["yaw"])) < 30]
    return [(folder / r["file"], np.array([float(r[k]) for k in ("x1", "y1", "x2", "y2")])) for r in rows[:limit]]


def test_finds_the_sample_faces() -> None:
    with (SAMPLES / "boxes.csv").open() as file:
        for row in csv.DictReader(file):
            boxes = HaarDetector()(cv2.imread(str(SAMPLES / row["file"])))
            assert boxes.shape == (1, 4) and boxes.dtype == np.float32
            assert iou(boxes[0], np.array([float(row[k]) for k in ("x1", "y1", "x2", "y2")])) > 0.7


def test_boxes_fit_the_labelled_landmarks(data: Path) -> None:
    detector = HaarDetector()
    photos = labelled(data / "aflw2000_dev", 60)
    best = [max((iou(b, box) for b in detector(cv2.imread(str(file)))), default=0.0) for file, box in photos]
    found = [value for value in best if value > 0.4]
    assert len(found) >= 0.75 * len(photos)  # 84 % of all such photos
    assert np.median(found) > 0.7  # 0.58 without the conversion


def test_conversion_moves_the_box_down_and_shrinks_it() -> None:
    (box,) = landmark_boxes(np.float32([[100, 200, 50, 50]]))
    center, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    np.testing.assert_allclose(center, [125, 225 + 50 * HaarDetector.CENTER_DOWN], rtol=1e-6)
    np.testing.assert_allclose(size, [50 * HaarDetector.WIDTH, 50 * HaarDetector.HEIGHT], rtol=1e-5)


def test_enlarged_frames_give_enlarged_boxes() -> None:
    photo = cv2.imread(str(SAMPLES / "astronaut.jpg"))
    scale = HaarDetector.LONGEST_SIDE / max(photo.shape)  # to the size at which frames begin to be shrunk
    photo = cv2.resize(photo, None, fx=scale, fy=scale)
    small, large = HaarDetector()(photo), HaarDetector()(cv2.resize(photo, None, fx=2, fy=2))
    assert iou(2 * small[0], large[0]) > 0.85


def test_nothing_found_is_an_empty_array() -> None:
    boxes = HaarDetector()(np.full((100, 100, 3), 128, np.uint8))
    assert boxes.shape == (0, 4) and boxes.dtype == np.float32


def test_frames_smaller_than_a_face_are_fine() -> None:
    assert HaarDetector()(np.zeros((1, 1, 3), np.uint8)).shape == (0, 4)


def test_one_detector_serves_many_threads() -> None:
    photo = cv2.imread(str(SAMPLES / "astronaut.jpg"))
    detector = HaarDetector()
    expected = detector(photo)
    with ThreadPoolExecutor(4) as pool:
        for boxes in pool.map(lambda _: detector(photo), range(8)):
            np.testing.assert_array_equal(boxes, expected)


def test_missing_cascade_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(BackendError, match=r"pip install 'opencv-python>=4.8,<5'.*--boxes"):
        HaarDetector()


def test_opencv_without_cascades_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(BackendError, match="opencv-python"):
        HaarDetector()
