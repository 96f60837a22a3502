"""Fused labels: agreement of teachers, views that turn and mirror, and unsure regions."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from export.labelling.found import CENTERFACE, SCRFD, SCRFD_SMALL, YUNET, Found
from export.labelling.fuse import fuse
from export.labelling.hull import bounds, outline
from export.labelling.teachers import Look, look_at
from hpe_edge.ops.turns import roll_from_keypoints

BOX = np.array([100.0, 80.0, 180.0, 160.0])
POINTS = np.array([[118.0, 100], [162, 100], [140, 120], [124, 142], [156, 142]])
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def seen(teacher: str, score: float, box: np.ndarray = BOX, look: Look | None = None) -> Found:
    """A face of the picture as a perfect teacher sees it in a view."""
    points = (POINTS - BOX[:2]) / (BOX[2] - BOX[0]) * (box[2] - box[0]) + box[:2]
    if look is None:
        return Found(teacher, score, box, points, IDENTITY)
    _, back = look_at(np.zeros((300, 400, 3), np.uint8), look)
    there = cv2.invertAffineTransform(back)
    moved = points @ there[:, :2].T + there[:, 2]
    middle = (box[:2] + box[2:]) / 2 @ there[:, :2].T + there[:, 2]
    half = (box[2:] - box[:2]) / 2 * look.side / 400
    return Found(teacher, score, np.concatenate([middle - half, middle + half]), moved, back)


def test_two_families_make_a_face() -> None:
    labels = fuse([seen(YUNET, 0.9), seen(SCRFD, 0.8, BOX + 2)])
    assert len(labels) == 1 and len(labels.ignored) == 0
    np.testing.assert_allclose(bounds(labels.outlines)[0], BOX + 2 * 0.8 / 1.7, atol=0.3)
    np.testing.assert_allclose(labels.points[0], POINTS + 2 * 0.64 / (0.64 + 0.81), atol=0.1)


@pytest.mark.parametrize(
    "found",
    [
        [seen(YUNET, 0.9)],
        [seen(SCRFD, 0.9), seen(SCRFD_SMALL, 0.9)],  # one family
        [seen(YUNET, 0.9), seen(CENTERFACE, 0.4)],  # one of them unsure
        [seen(YUNET, 0.9), seen(SCRFD, 0.9, BOX + 60)],  # different places
    ],
)
def test_disagreement_is_ignored(found: list[Found]) -> None:
    labels = fuse(found)
    assert len(labels) == 0 and len(labels.ignored) >= 1
    assert any(np.allclose(box, BOX, atol=1e-6) for box in labels.ignored)


def test_points_on_one_spot_tell_no_turn() -> None:
    on_one_spot = [replace(seen(teacher, 0.9), points=np.full((5, 2), 140.0)) for teacher in (YUNET, SCRFD)]
    np.testing.assert_allclose(bounds(fuse(on_one_spot).outlines), BOX[None], atol=0.5)


def test_a_part_of_a_face_is_not_ignored() -> None:
    eye = np.array([105.0, 90, 130, 115])
    labels = fuse([seen(YUNET, 0.9), seen(SCRFD, 0.8), seen(CENTERFACE, 0.9, eye)])
    assert len(labels) == 1 and len(labels.ignored) == 0


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("side", [200, 400, 640])
def test_views_are_taken_back(mirrored: bool, side: int) -> None:
    look = Look(side, (), margin=0.2, mirrored=mirrored)
    labels = fuse([seen(YUNET, 0.9, look=look), seen(SCRFD, 0.9)])
    assert len(labels) == 1
    np.testing.assert_allclose(bounds(labels.outlines)[0], BOX, atol=0.5)
    np.testing.assert_allclose(labels.points[0], POINTS, atol=0.5)


def test_a_view_moves_pixels_as_it_moves_points() -> None:
    picture = np.zeros((90, 120, 3), np.uint8)
    picture[40:44, 80:84] = 255  # centre 82, 42
    for look in (Look(120, (), turn_deg=30.0), Look(240, (), margin=0.1, mirrored=True), Look(120, (), 0.3, -60.0)):
        view, back = look_at(picture, look)
        weight = view[..., 0].astype(np.float64)
        y, x = np.mgrid[: view.shape[0], : view.shape[1]] + 0.5
        centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
        np.testing.assert_allclose(back[:, :2] @ centre + back[:, 2], [82, 42], atol=0.1)


def test_a_turned_face_has_the_box_of_its_turned_outline() -> None:
    """A view turned by 45 degrees shows a face rolled by -45 degrees upright; its box is drawn there."""
    look = Look(400, (), turn_deg=45.0)
    _, back = look_at(np.zeros((300, 400, 3), np.uint8), look)
    there = cv2.invertAffineTransform(back)
    middle = np.array([200.0, 150.0]) @ there[:, :2].T + there[:, 2]
    box = np.concatenate([middle - 40, middle + 40])
    points = (POINTS - 140 + (0, 20)) + middle
    labels = fuse([Found(teacher, 0.9, box, points, back) for teacher in (YUNET, SCRFD)])
    assert roll_from_keypoints(labels.points)[0] == pytest.approx(-45, abs=1)
    expected = bounds(outline(np.array([[160.0, 110, 240, 190]]), np.array([-45.0])))[0]
    np.testing.assert_allclose(bounds(labels.outlines)[0], expected, atol=0.5)


def test_the_outline_of_an_upright_face_fills_its_box() -> None:
    boxes = np.array([[0.0, 0, 10, 20], [5, 5, 6, 6]])
    np.testing.assert_allclose(bounds(outline(boxes, np.zeros(2))), boxes)
    quarter = bounds(outline(boxes[:1], np.array([90.0])))[0]
    np.testing.assert_allclose(quarter, [-5, 5, 15, 15], atol=1e-9)
