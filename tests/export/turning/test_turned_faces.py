"""Faces turned in depth: marks move where the projection of the turned head puts them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_faces import BLUE, GREEN, RED, dots, head, place_of

from export.teaching.arrays import FACE, MIDDLE, SIDE
from export.turning.head_shape import placed
from export.turning.turned_faces import HeadMesh, Placed
from hpe_edge.geometry import rotation_from_zxy

NOSE, LEFT_BROW, RIGHT_CORNER = 30, 24, 48


def upright(zxy_deg: tuple[float, float, float]) -> Placed:
    """The head in a patch, its box in the middle with the longer side FACE."""
    rotation = rotation_from_zxy(np.array(zxy_deg, np.float64))
    flat = (head() @ rotation.T)[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = FACE / (high - low).max()
    shift = MIDDLE - scale * (low + high) / 2
    return Placed(scale * flat + shift, rotation, scale, shift)


def turn_to(face: Placed, zxy_deg: tuple[float, float, float]) -> np.ndarray:
    return rotation_from_zxy(np.array(zxy_deg, np.float64)) @ face.rotation.T


def test_no_turn_leaves_the_picture_as_it_is(rng: np.random.Generator) -> None:
    small = rng.integers(0, 256, (24, 24, 3)).astype(np.uint8)
    picture = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    shown = HeadMesh(head()).turn(picture, upright((10, 5, 0)), np.eye(3))
    assert np.abs(shown.astype(int) - picture).max() <= 2


@pytest.mark.parametrize("after", [(30, 0, 0), (-45, 10, 0), (60, -20, 0), (15, 20, 12)])
def test_the_outline_is_the_turned_heads_in_the_middle(after: tuple[float, float, float]) -> None:
    face = upright((10, 5, 0))
    found = HeadMesh(head()).outline(face, turn_to(face, after))
    np.testing.assert_allclose(found, upright(after).points, atol=1e-6)
    low, high = found.min(axis=0), found.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, MIDDLE)
    assert (high - low).max() == pytest.approx(FACE)
    # and the new pose is turn @ rotation: no other fits the outline
    rotation = turn_to(face, after) @ face.rotation
    _, _, error = placed(head(), found[None], rotation[None])
    _, _, wrong = placed(head(), found[None], face.rotation[None])
    assert error[0] < 1e-6 < 0.01 < wrong[0]


@pytest.mark.parametrize("after", [(25, 5, 0), (-25, 5, 0), (10, 25, 0), (10, -20, 8), (45, 0, 0)])
def test_marks_on_the_face_move_with_their_landmarks(after: tuple[float, float, float]) -> None:
    face, colors, which = upright((10, 5, 0)), [GREEN, RED, BLUE], [NOSE, LEFT_BROW, RIGHT_CORNER]
    picture = dots(face.points[which], colors, SIDE, SIDE, 2.5)
    mesh, turn = HeadMesh(head()), turn_to(face, after)
    shown, outline = mesh.turn(picture, face, turn), mesh.outline(face, turn)
    for color, landmark in zip(colors, which, strict=True):
        # A turned disc is hidden in part, which moves its middle.
        np.testing.assert_allclose(place_of(shown, color), outline[landmark], atol=3.0)


def test_what_turns_away_is_hidden_behind_the_nose() -> None:
    """Far to the side, the cheek behind the nose is not drawn over it."""
    face = upright((0, 0, 0))
    near, far = face.points[[2]] + (4, 0), face.points[[14]] - (4, 0)
    picture = dots(np.concatenate([near, far]), [GREEN, RED], SIDE, SIDE, 4.0)
    shown = HeadMesh(head()).turn(
        picture, face, turn_to(face, (75, 0, 0))
    )  # to the left: the image's right side is near
    green, red = (int((shown[..., i] > 128).sum()) for i in (1, 2))
    assert red > 4 * green


def test_the_background_follows_less_than_the_face() -> None:
    """Two channels hold the place that a pixel comes from."""
    at = np.arange(SIDE, dtype=np.uint8)
    picture = np.stack(np.broadcast_arrays(at, at[:, None], np.uint8(0)), axis=-1)
    face = upright((0, 0, 0))
    shown = HeadMesh(head()).turn(picture, face, turn_to(face, (40, 0, 0)))
    moved = np.hypot(*(shown.astype(float) - picture).transpose(2, 0, 1)[:2])
    rim = np.ones((SIDE, SIDE), bool)
    rim[12:-12, 12:-12] = False
    middle = moved[SIDE // 2 - 16 : SIDE // 2 + 16, SIDE // 2 - 16 : SIDE // 2 + 16].mean()
    assert moved[rim].mean() < middle / 2 and middle > 15
