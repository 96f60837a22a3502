"""Turns and bends of export.distill, against OpenCV's projections."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the export tests need torch")

from export.distillation.arrays import FACE
from export.distillation.augmentation import in_plane, untilted
from export.distillation.targets import mean_rotation
from hpe_edge.geometry import euler_from_rotation, geodesic_deg, rotation_from_euler, rotation_from_rotvec


def angles(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform([-80, -50, -50], [80, 50, 50], (count, 3))


def test_a_clockwise_turn_adds_to_the_roll_of_a_frontal_face() -> None:
    turned = in_plane(np.array([30.0])) @ rotation_from_euler([[0, 0, 12.0]])
    np.testing.assert_allclose(euler_from_rotation(turned), [[0, 0, 42.0]], atol=1e-9)


def test_the_mean_rotation_is_midway_and_a_rotation(rng: np.random.Generator) -> None:
    middle = rotation_from_euler(angles(rng, 20))
    swing = rotation_from_rotvec(rng.normal(0, 0.3, (20, 3)))
    mean = mean_rotation(np.stack([middle @ swing, middle @ np.swapaxes(swing, -1, -2)]))
    assert geodesic_deg(mean, middle).max() < 1e-6
    np.testing.assert_allclose(np.linalg.det(mean), 1, atol=1e-9)


def test_a_turned_camera_sees_points_where_opencv_projects_them(rng: np.random.Generator) -> None:
    count = 40
    tilt, towards, span = rng.uniform(0, 0.45, count), rng.uniform(0, 6.28, count), rng.uniform(0.15, 0.6, count)
    homographies = untilted(tilt, towards, span)
    for i in range(count):
        focal = FACE / 2 / np.tan(span[i] / 2)
        camera = np.diag([focal, focal, 1.0])
        points = np.concatenate([[[0.0, 0.0, 2.0]], rng.uniform([-0.2, -0.2, 1.8], [0.2, 0.2, 2.2], (6, 3))])
        turn = tilt[i] * np.array([np.cos(towards[i]), np.sin(towards[i]), 0])
        before, after = (
            cv2.projectPoints(points, rotation, np.zeros(3), camera, None)[0][:, 0] for rotation in (np.zeros(3), turn)
        )
        view = after - after[0]  # about the face's centre in the turned picture
        np.testing.assert_allclose(cv2.perspectiveTransform(view[None], homographies[i])[0], before, atol=1e-6)
