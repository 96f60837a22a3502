"""Warps of patches: marks at known places are found where the definition puts them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_faces import BLUE, GREEN, RED, clockwise, dots, place_of

from export.teaching.arrays import Patches, turned_square, warp

SIZE = 120
POINTS = np.array([[150.0, 110.0], [190.0, 150.0], [140.0, 175.5]])


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turn", [0.0, 25.0, -100.0])
@pytest.mark.parametrize("side", [90.0, 120.0, 200.0])
def test_a_square_is_shown_mirrored_then_turned_clockwise(side: float, turn: float, mirror: bool) -> None:
    image, middle = dots(POINTS, [RED, GREEN, BLUE], 320, 300, 6.0), np.array([160.0, 140.0])
    shown = warp(image, turned_square(middle, side, turn, SIZE, mirror=mirror), SIZE)
    flip = np.array([-1.0 if mirror else 1.0, 1.0])
    wanted = ((POINTS - middle) * flip) @ clockwise(turn).T * SIZE / side + SIZE / 2
    for color, place in zip((RED, GREEN, BLUE), wanted, strict=True):
        if (place > 8).all() and (place < SIZE - 8).all():
            np.testing.assert_allclose(place_of(shown, color), place, atol=0.15)
    assert ((wanted > 8) & (wanted < SIZE - 8)).all(axis=1).sum() >= 1


def test_an_unturned_square_is_the_image_itself_and_its_edge_is_repeated(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    shown = warp(image, turned_square(np.array([20.0, 30.0]), 60, 0.0, 60), 60)  # from x -10 and y 0 on
    padded = cv2.copyMakeBorder(image, 0, 20, 10, 0, cv2.BORDER_REPLICATE)
    np.testing.assert_array_equal(shown, padded[:60, :60])


def test_the_digest_changes_with_a_pixel_and_with_a_box() -> None:
    pictures, boxes, sources = np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 4), np.float32), np.arange(2)
    before = Patches(pictures, boxes, sources).digest
    assert Patches(pictures.copy(), boxes.copy(), sources, ("a note",)).digest == before
    changed = pictures.copy()
    changed[1, 2, 3, 0] = 1
    assert Patches(changed, boxes, sources).digest != before
    assert Patches(pictures, boxes + np.float32(1), sources).digest != before
