"""Scenes of export.distill: where the bent faces lie, what is around them, and which are drawn how often.

Where faces lie is known from pictures in which everything but the face is black, and whose they are from their colour,
which no warp changes.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the export tests need torch")

from export.distillation import augmentation, scenes
from export.distillation.arrays import FACE, SIDE, Patches
from export.distillation.augmentation import varied
from export.distillation.scenes import Scenes, around_face
from hpe_edge.geometry import rotation_from_euler

HALF = np.float32([FACE / 2 * 0.8, FACE / 2])
BOX = np.concatenate([SIDE / 2 - HALF, SIDE / 2 + HALF]).astype(np.float32)
MIDDLE = SIDE / 2 + scenes._RIM
FACES, COUNT = 50, 600
LEVELS = 5 * np.arange(FACES)  # each face's picture is of one level in blue, of another in red
FRONTAL = np.tile(np.eye(3), (FACES, 1, 1))
ALL = np.arange(FACES)


def flat() -> Patches:
    images = np.zeros((FACES, SIDE, SIDE, 3), np.uint8)
    images[..., 0], images[..., 2] = LEVELS[:, None, None], 255 - LEVELS[:, None, None]
    return Patches(images, np.tile(BOX, (FACES, 1)))


@pytest.fixture
def as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other light, and boxes where the faces are."""
    monkeypatch.setattr(scenes, "varied", lambda image, rng: image)
    for name in ("_SCALE", "_SHIFT"):
        monkeypatch.setattr(scenes, name, 0.0)


@pytest.mark.usefixtures("as_they_are")
def test_boxes_hold_the_bent_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "_BACKGROUND_SHARE", 0.0)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    scale = 16  # cv2 draws to parts of a pixel
    middle = round((SIDE / 2 - 0.5) * scale)
    axes = (round(float(HALF[0]) * scale), round(float(HALF[1]) * scale))
    cv2.ellipse(picture, (middle, middle), axes, 0, 0, 360, (255, 255, 255), -1, shift=4)
    shown = Scenes(Patches(picture[None], BOX[None]), np.arange(1), np.eye(3)[None], 200)
    for scene in range(200):
        ys, xs = np.nonzero(shown.image(scene)[..., 0] > 127)
        found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        np.testing.assert_allclose(found, shown.boxes[scene], atol=2.5)  # cv2 draws a pixel more
    sides = shown.boxes[:, 2:] - shown.boxes[:, :2]
    np.testing.assert_allclose(sides.max(axis=1), FACE, atol=1e-3)
    np.testing.assert_allclose((shown.boxes[:, :2] + shown.boxes[:, 2:]) / 2, MIDDLE, atol=1e-3)
    narrow = sides[:, 0] / sides[:, 1]
    assert narrow.min() < 0.65 and narrow.std() > 0.08  # they were 0.8 wide


def test_boxes_are_those_of_other_detectors() -> None:
    boxes = Scenes(flat(), ALL, FRONTAL, 4000).boxes
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert np.log(sides / FACE).std() == pytest.approx(0.1, rel=0.15)
    assert np.abs(np.log(sides / FACE)).max() < 0.201
    shifts = ((boxes[:, :2] + boxes[:, 2:]) / 2 - MIDDLE) / sides[:, None]
    assert np.abs(shifts).max() < 0.121
    np.testing.assert_allclose(shifts.std(axis=0), 0.06, rtol=0.15)


def test_a_quarter_of_the_faces_is_only_turned(rng: np.random.Generator) -> None:
    homographies, half = augmentation.draw_warps(rng, np.tile(HALF.astype(float), (4000, 1)))
    linear = homographies[:, :2, :2] / np.sqrt(np.abs(np.linalg.det(homographies[:, :2, :2])))[:, None, None]
    stiff = (np.abs(linear @ np.swapaxes(linear, 1, 2) - np.eye(2)).max(axis=(1, 2)) < 1e-9) & (
        np.abs(homographies[:, 2, :2]).max(axis=1) < 1e-12
    )
    assert stiff.mean() == pytest.approx(0.25, abs=0.03)
    turn = np.rad2deg(np.arctan2(linear[stiff, 0, 1], linear[stiff, 0, 0]))
    assert np.median(np.abs(turn)) == pytest.approx(0.6745 * 16.0, rel=0.2)
    assert 60 < np.abs(turn).max() <= 75
    assert half.shape == (4000, 2)


def test_scenes_are_the_same_each_time_and_others_for_other_pictures() -> None:
    one, again = (Scenes(flat(), ALL, FRONTAL, COUNT) for _ in range(2))
    assert one.digest == again.digest
    for scene in range(0, COUNT, 60):
        np.testing.assert_array_equal(one.image(scene), again.image(scene))
    pictures = flat()
    pictures.pictures[3, 5, 5, 1] = 1
    other = Patches(pictures.pictures, pictures.boxes)
    assert len({one.digest, Scenes(other, ALL, FRONTAL, COUNT).digest, Scenes(flat(), ALL, FRONTAL, 9).digest}) == 3


def test_another_way_to_draw_scenes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else answers about other pictures would be taken from the cache."""
    digest = Scenes(flat(), ALL, FRONTAL, COUNT).digest
    monkeypatch.setattr("export.distillation.augmentation._BRIGHTNESS", 10.0)
    assert Scenes(flat(), ALL, FRONTAL, COUNT).digest != digest


@pytest.mark.usefixtures("as_they_are")
def test_the_face_stays_and_what_is_around_it_is_anothers() -> None:
    taught = ALL[10:]
    shown = Scenes(flat(), taught, FRONTAL, COUNT)
    assert len(shown) == COUNT and np.isin(shown.faces, taught).all()
    middle, elsewhere = slice(int(MIDDLE) - 10, int(MIDDLE) + 10), np.ix_([0, -1], [0, -1])
    others = 0
    for scene in range(COUNT):
        image = shown.image(scene).astype(int)
        assert (image[middle, middle, 0] == LEVELS[shown.faces[scene]]).all()
        corners = image[elsewhere]
        assert (corners == corners[:1, :1]).all() and corners[0, 0, 0] in LEVELS[taught]
        assert corners[0, 0, 2] == 255 - corners[0, 0, 0]
        others += int(corners[0, 0, 0] != LEVELS[shown.faces[scene]])
    # Half of the scenes, but for those that were given their own.
    assert others / COUNT == pytest.approx(0.5 * (1 - 1 / len(taught)), abs=0.06)


@pytest.mark.usefixtures("as_they_are")
def test_surroundings_come_from_all_over_other_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a corner of the scene would always show the same corner of a picture."""
    monkeypatch.setattr(scenes, "_BACKGROUND_SHARE", 1.0)
    images = np.zeros((FACES, SIDE, SIDE, 3), np.uint8)
    images[:, :4, :4] = 255
    shown = Scenes(Patches(images, np.tile(BOX, (FACES, 1))), ALL, FRONTAL, 300)
    corners = [shown.image(scene)[scenes._RIM + 1, scenes._RIM + 1, 0] for scene in range(300)]
    assert (np.array(corners) == 255).mean() < 0.05


def test_an_ellipse_round_the_face_stays() -> None:
    keep = around_face(BOX, 1.0)
    middle = SIDE // 2
    assert keep.shape == (SIDE, SIDE)
    assert keep[middle, middle] == 1 and keep[0, 0] == 0 and keep[-1, 0] == 0
    assert set(np.unique(keep[middle])) >= {0.0, 1.0}
    # Half of a pixel stays where the ellipse meets the box, and less beyond.
    for axis, line in ((0, keep[middle]), (1, keep[:, middle])):
        edges = np.flatnonzero(line > 0.5)
        assert edges[0] == pytest.approx(BOX[axis], abs=1.5) and edges[-1] == pytest.approx(BOX[axis + 2], abs=1.5)
    corner = BOX[:2].astype(int) + 2  # within the box, outside the ellipse
    assert keep[corner[1], corner[0]] == 0


def test_a_longer_reach_keeps_more() -> None:
    near, far = (around_face(BOX, reach) for reach in (1.0, 1.3))
    assert (far >= near).all()
    assert (far > 0.5).sum() == pytest.approx(1.3**2 * (near > 0.5).sum(), rel=0.02)


def test_rare_poses_are_drawn_more_often() -> None:
    angles = np.zeros((FACES, 3))
    angles[0] = [80, 0, 0]
    shown = Scenes(flat(), ALL, rotation_from_euler(angles), 4000)
    # Two bands of 49 faces and of one: 1 against 49 ** 0.2.
    assert (shown.faces == 0).mean() == pytest.approx(1 / (1 + 49**0.2), abs=0.03)


def test_changes_of_light_are_by_chance_alone(rng: np.random.Generator) -> None:
    colours = rng.integers(0, 256, (7, 9, 3)).astype(np.uint8)
    plain = cv2.resize(colours, (SIDE, SIDE))
    before = plain.copy()
    many, again = (np.stack([varied(plain, np.random.default_rng([3, n])) for n in range(300)]) for _ in range(2))
    np.testing.assert_array_equal(many, again)
    np.testing.assert_array_equal(plain, before)
    flat = many.reshape(300, -1).astype(float)
    assert flat.mean(axis=1).std() > 15  # brightness
    assert flat.std(axis=1).std() > 0.1 * flat.std(axis=1).mean()  # contrast
    # A grey picture's channels follow each other, whatever its tint.
    red, blue = (many[..., channel].reshape(300, -1).astype(float) for channel in (2, 0))
    alike = np.array([np.corrcoef(*pair)[0, 1] for pair in zip(red, blue, strict=True)]) > 0.98
    assert alike.mean() == pytest.approx(0.5, abs=0.08)
    assert (red - blue).mean(axis=1)[alike].std() > 5  # tint
