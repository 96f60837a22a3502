"""Turned faces are drawn more often for the detector's training."""

from __future__ import annotations

import numpy as np
import pytest

from export.detection.pictures import Picture, face_weights
from export.labelling.fuse import NO_LABELS, Labels
from hpe_edge.geometry import rotation_from_euler

# A head in its own camera frame: eyes, nose, corners of the mouth; the nose's tip is nearer.
_HEAD = np.array([[-0.32, -0.35, 0], [0.32, -0.35, 0], [0, 0, -0.35], [-0.22, 0.35, -0.05], [0.22, 0.35, -0.05]])


def _points(yaw: float, pitch: float, roll: float) -> np.ndarray:
    turned = _HEAD @ np.asarray(rotation_from_euler(np.array([yaw, pitch, 0.0])), np.float64).reshape(3, 3).T
    cos, sin = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    in_image = turned[:, :2] @ np.array([[cos, sin], [-sin, cos]])
    return 40 * in_image[None] + 100


@pytest.mark.parametrize("roll", [0, 60, -120])
@pytest.mark.parametrize("pitch", [-20, 0, 20])
def test_the_more_turned_the_more_often(pitch: float, roll: float) -> None:
    near, half, far = (face_weights(_points(yaw, pitch, roll))[0] for yaw in (5, 38, 80))
    assert near == 1 < half < far
    assert face_weights(_points(-80, pitch, roll))[0] == far


def test_a_picture_counts_by_its_faces() -> None:
    points = np.concatenate([_points(0, 0, 0), _points(80, 0, 0)])
    image = np.zeros((9, 9, 3), np.uint8)
    labels = Labels(np.zeros((2, 8, 2)), points, np.ones(2), np.zeros((0, 4)))
    assert Picture("people_1.webp", image, labels).chance == face_weights(points).mean() > 1
    assert Picture("object_1.webp", image, NO_LABELS).chance == 1
    assert Picture("profile_1", image, labels, 0.25).chance == 0.25


def test_points_on_one_spot_are_no_error() -> None:
    assert np.isfinite(face_weights(np.zeros((1, 5, 2)))).all()
