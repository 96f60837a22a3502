"""Bent faces: where they lie is known from pictures in which everything but the face is black."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra export")

from export.distilling.bent import COPIES, with_bent
from export.distilling.patches import FACE, SIDE, Patches
from export.distilling.work import _split

HALF = np.float32([FACE / 2 * 0.8, FACE / 2])


@pytest.fixture(scope="module")
def plain() -> Patches:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    scale = 16  # cv2 draws to parts of a pixel
    middle = round((SIDE / 2 - 0.5) * scale)
    axes = (round(float(HALF[0]) * scale), round(float(HALF[1]) * scale))
    cv2.ellipse(picture, (middle, middle), axes, 0, 0, 360, (255, 255, 255), -1, shift=4)
    box = np.concatenate([SIDE / 2 - HALF, SIDE / 2 + HALF]).astype(np.float32)
    return Patches(np.stack([picture] * 12), np.tile(box, (12, 1)))


@pytest.fixture(scope="module")
def bent(plain: Patches) -> Patches:
    return with_bent(plain)


def test_faces_as_they_are_come_first(plain: Patches, bent: Patches) -> None:
    assert len(plain) == 12 and len(bent) == 12 * (1 + COPIES)
    for face in range(12):
        np.testing.assert_array_equal(bent.image(face), plain.image(face))
    np.testing.assert_array_equal(bent.boxes[:12], plain.boxes)
    np.testing.assert_array_equal(np.bincount(bent.sources), 1 + COPIES)


def test_boxes_hold_the_bent_faces(bent: Patches) -> None:
    for face in range(12, len(bent)):
        ys, xs = np.nonzero(bent.image(face)[..., 0] > 127)
        found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        np.testing.assert_allclose(found, bent.boxes[face], atol=2.5)  # cv2 draws a pixel more
        sides = bent.boxes[face, 2:] - bent.boxes[face, :2]
        assert sides.max() == pytest.approx(FACE, abs=1e-3)
        np.testing.assert_allclose((bent.boxes[face, :2] + bent.boxes[face, 2:]) / 2, SIDE / 2, atol=1e-3)


def test_bends_differ_and_are_the_same_each_time(plain: Patches, bent: Patches) -> None:
    sides = bent.boxes[12:, 2:] - bent.boxes[12:, :2]
    narrow = sides[:, 0] / sides[:, 1]
    assert narrow.min() < 0.65 and narrow.std() > 0.08  # they were 0.8 wide
    again = with_bent(plain)
    assert again.digest == bent.digest != plain.digest


def test_a_kept_picture_is_not_learned_from_in_another_shape(bent: Patches) -> None:
    kept, taught = _split(bent)
    assert len(kept) == 1 and kept[0] < 12  # as it is
    assert set(bent.sources[taught]) == set(range(12)) - set(bent.sources[kept])
    assert len(taught) == 11 * (1 + COPIES)
