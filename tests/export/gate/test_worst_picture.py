"""The picture of the worst crops: the crops' own pixels, worst first."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from export.gate.comparison import Faces, Limits
from export.gate.gate import compare
from export.gate.worst_picture import draw_worst
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import Poses
from hpe_edge.spec import Input

TILE, STRIP = 224, 40


def poses(yaw_deg: np.ndarray) -> Poses:
    angles = np.zeros((len(yaw_deg), 3), np.float32)
    angles[:, 0] = yaw_deg
    return Poses(
        angles, np.full_like(angles, np.nan), rotation_from_euler(angles.astype(np.float64)).astype(np.float32)
    )


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_the_worst_crops_stand_first_in_their_own_colours(color):
    input = Input(size=8, color=color, scale=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    levels_bgr = np.array([[10, 60, 200], [250, 120, 30], [90, 180, 15], [1, 2, 3], [70, 70, 70]], np.float64)
    ordered = levels_bgr if color == "BGR" else levels_bgr[:, ::-1]
    crops = ((ordered / 255 - input.mean) / input.std)[:, :, None, None] * np.ones((8, 8))
    moved = np.array([0.5, 3.0, 0.1, 12.0, 0.0])
    names = tuple("abcde")
    found = compare(
        poses(0 * moved),
        poses(moved),
        compared="",
        source="",
        limits=Limits(),
        names=names,
        kinds=["plain", "dark"] * 2 + ["plain"],
    )
    order = [3, 1, 0, 2, 4]
    assert found.worst.rows.tolist() == order
    assert found.worst.labels == ("d, dark", "b, dark", "a", "c", "e")
    faces = Faces("", crops.astype(np.float32), (), names)
    picture = cv2.imdecode(np.frombuffer(draw_worst(found.worst, faces, input), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (2 * (TILE + STRIP), 3 * 2 * TILE, 3)
    for at, row in enumerate(order):
        top, left = (at // 3) * (TILE + STRIP), (at % 3) * 2 * TILE
        for half in (0, TILE):  # a corner, where no axis is drawn
            np.testing.assert_allclose(picture[top + TILE - 4, left + half + 4], levels_bgr[row], atol=1)
        text = picture[top + TILE : top + TILE + STRIP, left : left + 2 * TILE]
        assert text.min() < 100 and text.max() == 255
