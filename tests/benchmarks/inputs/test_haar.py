"""OpenCV's Haar cascade as a competitor: finds upright faces, and says what to install where OpenCV lacks it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from reference_frames import pairs

from benchmarks.inputs.crops import detector_named
from benchmarks.inputs.haar import HaarDetector
from hpe_edge.boxes.box_fit import FITS
from hpe_edge.errors import BackendError
from hpe_edge.samples import BOXES, FOLDER

needs_cascades = pytest.mark.skipif(
    not hasattr(cv2, "CascadeClassifier"), reason="needs OpenCV 4: version 5 has no cascades"
)


@needs_cascades
def test_finds_the_sample_faces() -> None:
    detector = detector_named("haar")
    assert isinstance(detector, HaarDetector) and FITS["haar"].fit == detector.FIT
    with BOXES.open() as file:
        for row in csv.DictReader(file):
            found = detector(cv2.imread(str(FOLDER / row["file"])))
            wanted = np.array([[float(row[k]) for k in ("x1", "y1", "x2", "y2")]])
            assert found.boxes.shape == (1, 4) and pairs(found.boxes, wanted)[0, 0] > 0.7
            assert np.isnan(found.scores).tolist() == [True] and found.keypoints is None


@needs_cascades
def test_enlarged_frames_give_enlarged_boxes() -> None:
    photo = cv2.imread(str(FOLDER / "astronaut.jpg"))
    scale = HaarDetector.LONGEST_SIDE / max(photo.shape)  # to the size at which frames begin to be shrunk
    photo = cv2.resize(photo, None, fx=scale, fy=scale)
    small, large = HaarDetector()(photo).drawn, HaarDetector()(cv2.resize(photo, None, fx=2, fy=2)).drawn
    assert pairs(2 * small, large)[0, 0] > 0.85


@needs_cascades
def test_a_line_of_pixels() -> None:
    assert len(HaarDetector()(np.zeros((1, 20_000, 3), np.uint8))) == 0


@needs_cascades
def test_missing_cascade_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(BackendError, match=r"pip install 'opencv-python<5'"):
        HaarDetector()


def test_opencv_without_cascades_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(BackendError, match="opencv-python"):
        HaarDetector()
