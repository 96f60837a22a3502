"""Camera: its fields, its makers, and the half pixel between OpenCV's coordinates and ours."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from hpe_edge import Camera, InputError

CAMERA = Camera(900, 800, 320.5, 200)


def test_fields_are_floats_and_frozen() -> None:
    camera = Camera(np.float32(900), np.int64(800), Fraction(641, 2), 200)
    assert camera == CAMERA
    assert all(type(value) is float for value in (camera.fx, camera.fy, camera.cx, camera.cy))
    assert hash(camera) == hash(CAMERA)
    with pytest.raises(FrozenInstanceError):
        camera.fx = 3.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        Camera(900, 800)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["fx", "fy", "cx", "cy"])
@pytest.mark.parametrize("value", [np.nan, np.inf, None, "900", True, [1], 10**400])
def test_what_is_no_number(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"camera.{name} must be a finite number"):
        replace(CAMERA, **{name: value})


@pytest.mark.parametrize("changes", [{"fx": 0}, {"fy": -800}])
def test_focal_lengths_are_positive(changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="above 0"):
        replace(CAMERA, **changes)


@pytest.mark.parametrize("fov_deg", [1, 60, 90, 120, 179])
def test_the_edges_of_the_frame_span_the_field_of_view(fov_deg: float) -> None:
    camera = Camera.from_fov(1280, 720, fov_deg)
    left, right = camera.rays(np.array([[0, 360.0], [1280, 360]]))
    between = np.arccos(left @ right / np.linalg.norm(left) / np.linalg.norm(right))
    assert np.rad2deg(between) == pytest.approx(fov_deg)
    assert left[1] == right[1] == 0 and camera.fx == camera.fy
    assert Camera.from_fov(1280, 720, 90).fx == pytest.approx(640)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ((0, 720, 60), "width and height"),
        ((1280, -1, 60), "width and height"),
        (("1280", 720, 60), "width must be a finite number"),
        ((1280, 720, 0), "between 0 and 180"),
        ((1280, 720, 180), "between 0 and 180"),
        ((1280, 720, np.nan), "horizontal_fov_deg must be a finite number"),
    ],
)
def test_bad_fields_of_view(arguments: tuple[object, ...], fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        Camera.from_fov(*arguments)  # type: ignore[arg-type]


def test_points_are_half_a_pixel_from_opencvs(rng: np.random.Generator) -> None:
    """A white pixel at row 12, column 34 lies at (34, 12) for OpenCV's calibration and covers the box 34 12 35 13."""
    k = np.array([[900, 0, 34.0], [0, 800, 12.0], [0, 0, 1]])
    camera = Camera.from_opencv(k)
    assert (camera.cx, camera.cy) == (34.5, 12.5)
    points = rng.uniform([-1, -1, 3], [1, 1, 5], (50, 3))
    theirs = cv2.projectPoints(points, np.zeros(3), np.zeros(3), k, None)[0][:, 0]
    np.testing.assert_allclose(camera.project(points), theirs + 0.5, atol=1e-9)
    rays = camera.rays(theirs + 0.5)
    np.testing.assert_allclose(rays[:, :2], cv2.undistortPoints(theirs, k, None)[:, 0], atol=1e-9)
    np.testing.assert_array_equal(rays[:, 2], 1)


@pytest.mark.parametrize(
    ("matrix", "fragment"),
    [
        (np.eye(4), "shape"),
        ("k", "3 x 3 numbers"),
        ([[900, 2, 320], [0, 900, 240], [0, 0, 1]], "fx, 0, cx"),
        ([[900, 0, 320], [0, 900, 240], [0, 0, 2]], "fx, 0, cx"),
        ([[900, 0, np.nan], [0, 900, 240], [0, 0, 1]], "camera.cx must be a finite number"),
    ],
)
def test_bad_matrices(matrix: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        Camera.from_opencv(matrix)  # type: ignore[arg-type]
