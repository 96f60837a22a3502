"""Faces off the optical axis, on real photos: a camera that has turned must turn the estimate by as much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets.face import read_photo
from benchmarks.datasets.labels_csv import read_labels
from benchmarks.datasets.mat_sets import landmarks
from benchmarks.suites.rectification import FOV_DEG, ellipse, off_by
from hpe_edge import Camera, PoseEngine

STEP = 6  # of the 195 photos


@pytest.fixture(scope="module")
def engine(published: Path) -> PoseEngine:
    return PoseEngine(published)


@pytest.fixture(scope="module")
def photos(data: Path) -> dict[Path, np.ndarray]:
    """Photos and the boxes of their labels."""
    names, boxes, _ = read_labels(data / "aflw2000_dev" / "labels.csv")
    return {data / "aflw2000_dev" / name: box for name, box in list(zip(names, boxes, strict=True))[::STEP]}


@pytest.mark.parametrize(("off_axis_deg", "drift_deg"), [(0, 0), (10, 8), (20, 16), (25, 20)])
def test_boxes_of_landmarks(
    engine: PoseEngine, photos: dict[Path, np.ndarray], off_axis_deg: float, drift_deg: float
) -> None:
    pytest.importorskip("scipy.io", reason="the landmarks are in MATLAB files")
    focal = Camera.from_fov(1920, 1920, FOV_DEG).fx
    pictures = [read_photo(path) for path in photos]
    without, rectified, _ = off_by(engine, pictures, [landmarks(path) for path in photos], focal, off_axis_deg)
    assert without.mean() >= drift_deg
    assert rectified.mean() < 1.0
    if off_axis_deg == 0:
        assert rectified.max() < 0.05  # the plain crop, sampled by the warp


@pytest.mark.parametrize("width", [1920, 640])
def test_boxes_of_round_faces(engine: PoseEngine, photos: dict[Path, np.ndarray], width: int) -> None:
    """Resampling is most of the rest where the box is as round as it can be, for faces near to the camera too."""
    focal = Camera.from_fov(width, width, FOV_DEG).fx
    outlines = [ellipse(box) for box in photos.values()]
    without, rectified, moved = off_by(engine, [read_photo(path) for path in photos], outlines, focal, 25)
    assert rectified.mean() < 0.5
    assert without.mean() > 20
    assert moved.mean() > 2
