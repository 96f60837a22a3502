"""Projection of drawn heads: against OpenCV's projection, and at the limits of what a camera sees."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hpe_edge.camera import Camera
from hpe_edge.drawing.projection import view_lines
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.ops.rectify import view_rotation

CAMERA = Camera(900.0, 950.0, 630.0, 370.0)
CENTERS = np.array([[630, 370], [100, 80], [1200, 650], [60, 690], [900, 300]], np.float64)
SIZES = np.array([[100, 100], [80, 120], [200, 150], [30, 30], [500, 420]], np.float64)
BOXES = np.concatenate([CENTERS - SIZES / 2, CENTERS + SIZES / 2], axis=1)
ROTATIONS = rotation_from_euler([[0, 0, 0], [30, -20, 10], [-70, 15, -40], [120, 5, 0], [10, 10, 170]])
LINES = np.random.default_rng(0).uniform(-0.7, 0.7, (6, 2, 3))
NOSE = np.array([[[0, 0, 0], [0, 0, -0.75]]])


def opencv_projection(points: np.ndarray, box: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """The head on the ray through the box's centre, one unit as large as the box."""
    (x1, y1, x2, y2), (x, y) = box, (box[:2] + box[2:]) / 2

    def angle(a: tuple[float, float], b: tuple[float, float]) -> float:
        one, other = (np.array([(u - 630) / 900, (v - 370) / 950, 1]) for u, v in (a, b))
        return float(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))

    spanned = max(angle((x1, y), (x2, y)), angle((x, y1), (x, y2)))
    ray = np.array([(x - 630) / 900, (y - 370) / 950, 1])
    place = ray / np.linalg.norm(ray) * 0.5 / np.tan(spanned / 2)
    matrix = np.array([[900, 0, 629.5], [0, 950, 369.5], [0, 0, 1]])  # OpenCV counts from the first pixel's centre
    projected, _ = cv2.projectPoints(points.reshape(-1, 3), cv2.Rodrigues(rotation)[0], place, matrix, None)
    return projected.reshape(*points.shape[:-1], 2) + 0.5


def test_perspective_is_opencvs() -> None:
    pixels, _ = view_lines(LINES, BOXES, ROTATIONS, CAMERA)
    for found, box, rotation in zip(pixels, BOXES, ROTATIONS, strict=True):
        np.testing.assert_allclose(found, opencv_projection(LINES, box, rotation), atol=1e-6)


def test_without_a_camera_heads_are_seen_from_far_away() -> None:
    """That is from a camera a million pixels off, whose axis goes through the box."""
    pixels, depths = view_lines(LINES, BOXES, ROTATIONS, None)
    for i in range(len(BOXES)):
        far = Camera(1e6, 1e6, *CENTERS[i])
        wanted, wanted_depths = view_lines(LINES, BOXES[i : i + 1], ROTATIONS[i : i + 1], far)
        np.testing.assert_allclose(pixels[i], wanted[0], atol=0.2)
        np.testing.assert_allclose(depths[i], wanted_depths[0], atol=1e-3)


@pytest.mark.parametrize("camera", [None, CAMERA])
def test_a_unit_is_as_long_as_the_box(camera: Camera | None) -> None:
    across = np.array([[[-0.5, 0, 0], [0.5, 0, 0]]])
    pixels, _ = view_lines(across, BOXES[:1], np.eye(3)[None], camera)
    np.testing.assert_allclose(pixels[0, 0], [[580, 370], [680, 370]], atol=1e-9)


def test_nose_of_a_face_that_looks_into_the_camera_is_a_point() -> None:
    towards = view_rotation(CAMERA.rays(CENTERS))
    pixels, depths = view_lines(NOSE, BOXES, towards, CAMERA)
    np.testing.assert_allclose(pixels[:, 0, 0], CENTERS, atol=1e-6)
    np.testing.assert_allclose(pixels[:, 0, 1], CENTERS, atol=1e-6)
    np.testing.assert_allclose(depths, -0.375)


def test_what_comes_behind_the_camera_is_cut_off() -> None:
    box, rotation = np.array([[-700.0, -600.0, 1960.0, 1340.0]]), rotation_from_euler([[20, 10, 0]])
    lines = np.array([[[0, 0, 0], [0, 0, -3]], [[0, 0, -2], [1, 0, -3]], [[0, 0, 0], [0, 0, -0.1]]])
    pixels, _ = view_lines(lines, box, rotation, CAMERA)
    start, cut, short = pixels[0, 0, 0], pixels[0, 0, 1], pixels[0, 2, 1]
    assert np.isnan(pixels[0, 1]).all()
    np.testing.assert_allclose(short, opencv_projection(lines[2, 1], box[0], rotation[0]), atol=1e-6)
    along, first = cut - start, short - start
    assert along @ first / np.linalg.norm(along) / np.linalg.norm(first) == pytest.approx(1)
    assert np.linalg.norm(first) < np.linalg.norm(along)


def test_no_heads() -> None:
    for camera in (None, CAMERA):
        pixels, depths = view_lines(LINES, np.empty((0, 4)), np.empty((0, 3, 3)), camera)
        assert pixels.shape == (0, 6, 2, 2) and depths.shape == (0, 6)
