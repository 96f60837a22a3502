"""Views of export.distill: turns, mirrors and camera turns against OpenCV's projections and pictures with a mark."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the export tests need torch")

from export.distilling import views
from export.distilling.batches import warp
from export.distilling.patches import FACE, SIDE, cut_patch
from export.distilling.turns import in_plane, mean_rotation, mirror
from export.distilling.views import draw_views, plain_views, untilted
from hpe_edge.geometry import (
    euler_from_rotation,
    geodesic_deg,
    rotation_from_euler,
    rotation_from_rotvec,
)
from hpe_edge.ops import crop_normalize
from hpe_edge.spec import Crop, Input

CROP, SIZE = Crop(margins=(0.125,) * 4), 112
LEVELS = Input(size=SIZE, color="BGR", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)


def seen(homography: np.ndarray, point: tuple[float, float]) -> np.ndarray:
    """Where a point of the patch stands in the crop."""
    return cv2.perspectiveTransform(np.array([[point]]), np.linalg.inv(homography))[0, 0]


def angles(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform([-80, -50, -50], [80, 50, 50], (count, 3))


def test_a_mirror_changes_the_signs_of_yaw_and_roll(rng: np.random.Generator) -> None:
    drawn = angles(rng, 50)
    np.testing.assert_allclose(euler_from_rotation(mirror(rotation_from_euler(drawn))), drawn * [-1, 1, -1], atol=1e-9)


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
        # About the face's centre in the turned picture, and scaled as the box is there.
        view = (after - after[0]) * np.cos(tilt[i]) ** 1.5
        np.testing.assert_allclose(cv2.perspectiveTransform(view[None], homographies[i])[0], before, atol=1e-6)


def test_the_face_stays_in_the_window_and_its_size_is_the_boxes(rng: np.random.Generator) -> None:
    rotations = rotation_from_euler(angles(rng, 300))
    drawn = draw_views(rng, rotations, CROP, SIZE)
    centres = np.array([seen(h, (SIDE / 2, SIDE / 2)) for h in drawn.homographies])
    assert np.abs(centres - SIZE / 2).max() < SIZE * 0.141  # two standard deviations of the shift
    assert np.abs(centres - SIZE / 2).max() > SIZE * 0.05
    assert np.abs(euler_from_rotation(drawn.rotations)).max() <= 93.0


def test_a_view_that_shows_the_mark_to_the_right_has_turned_clockwise(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark on the forehead tells what was done to the picture; the pose must tell the same."""
    for name in ("_SHIFT", "_SCALE", "_TILT_DEG"):
        monkeypatch.setattr(views, name, 0.0)
    drawn = draw_views(rng, np.tile(np.eye(3), (200, 1, 1)), CROP, SIZE)
    marks = np.array([seen(h, (SIDE / 2, SIDE / 2 - 40.0)) for h in drawn.homographies]) - SIZE / 2
    roll = np.rad2deg(np.arctan2(marks[:, 0], -marks[:, 1]))
    np.testing.assert_allclose(euler_from_rotation(drawn.rotations)[:, 2], roll, atol=1e-6)
    cheeks = np.array([seen(h, (SIDE / 2 + 30.0, SIDE / 2)) for h in drawn.homographies]) - SIZE / 2
    turned = marks[:, 0] * cheeks[:, 1] - marks[:, 1] * cheeks[:, 0]  # of which the sign is lost in a mirror
    np.testing.assert_array_equal(turned < 0, drawn.mirrored)
    assert 0.3 < drawn.mirrored.mean() < 0.7


@pytest.mark.parametrize(("height", "width"), [(200, 300), (800, 900)])
def test_the_plain_view_of_a_patch_is_the_crop_of_the_picture(
    rng: np.random.Generator, height: int, width: int
) -> None:
    """The way through the patch loses half a level, or what shrinking averages away."""
    small = rng.integers(0, 256, (7, 9, 3)).astype(np.uint8)
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    box = np.array([0.3 * width, 0.25 * height, 0.6 * width, 0.7 * height], np.float32)
    patch, place = cut_patch(picture, box)
    assert place[2:] - place[:2] == pytest.approx((box[2:] - box[:2]) * FACE / max(box[2:] - box[:2]), abs=1e-3)
    crop = warp(patch, plain_views(np.eye(3)[None], CROP, SIZE).homographies[0], SIZE)
    wanted = crop_normalize(picture, box[None], CROP, LEVELS)[0].transpose(1, 2, 0)
    assert np.abs(crop - wanted).mean() < 1.0
    assert np.abs(crop - wanted).max() < 12
