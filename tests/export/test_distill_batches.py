"""Batches of export.distill: around some faces stands what is in another's picture, and steps are repeatable."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the export tests need torch")

from export.distilling import batches, grid
from export.distilling.batches import BATCH, Batches, around_face
from export.distilling.patches import FACE, SIDE, Patches
from export.distilling.targets import Targets, combine
from export.distilling.teachers import Answers
from export.distilling.views import plain_views
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.spec import Crop, Input

CROP, INPUT = Crop(margins=(0.125,) * 4), Input(size=112, color="RGB", scale=1 / 255, mean=(0.5,) * 3, std=(0.25,) * 3)
FACES = 50
BOX = np.array([SIDE / 2 - 40, SIDE / 2 - FACE / 2, SIDE / 2 + 40, SIDE / 2 + FACE / 2], np.float32)
LEVELS = 5 * np.arange(FACES)  # each face's picture is of one level in blue, of another in red


@pytest.fixture
def flat() -> Patches:
    """Faces that are known by their colour, which no warp changes."""
    images = np.zeros((FACES, SIDE, SIDE, 3), np.uint8)
    images[..., 0], images[..., 2] = LEVELS[:, None, None], 255 - LEVELS[:, None, None]
    return Patches(images, np.tile(BOX, (FACES, 1)))


@pytest.fixture
def targets(rng: np.random.Generator) -> Targets:
    angles = rng.uniform([-80, -40, -40], [80, 40, 40], (FACES, 3))
    beliefs = grid.narrow(angles, np.full(angles.shape, 4.0)).astype(np.float32)[None]
    return combine([Answers(rotation_from_euler(angles).astype(np.float32)[None], beliefs)], [None])


@pytest.fixture
def drawn(flat: Patches, targets: Targets) -> Batches:
    return Batches(flat, targets, np.arange(FACES), CROP, INPUT)


def as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither turns nor other light."""
    monkeypatch.setattr(batches, "vary", lambda crops, rng: None)
    monkeypatch.setattr(batches, "draw_views", lambda rng, rotations, crop, size: plain_views(rotations, crop, size))


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


def test_the_face_stays_and_what_is_around_it_is_anothers(
    drawn: Batches, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_they_are(monkeypatch)
    other, own = 0, 0
    for step in range(12):
        batch = drawn(step)
        crops = batch.crops.astype(int)
        red, blue = crops[:, 0], crops[:, 2]
        inner = blue[:, 40:72, 40:72]
        assert (inner == inner[:, :1, :1]).all() and np.isin(inner, LEVELS).all()
        # The answers are those of the face in the middle.
        np.testing.assert_allclose(batch.angles, targets.angles[np.searchsorted(LEVELS, inner[:, 0, 0])], atol=1e-4)
        corners = np.stack([blue[:, y, x] for y in (0, -1) for x in (0, -1)], axis=1)
        assert (corners == corners[:, :1]).all() and np.isin(corners, LEVELS).all()
        np.testing.assert_array_equal(red[:, 0, 0], 255 - corners[:, 0])
        np.testing.assert_array_equal(red[:, 56, 56], 255 - inner[:, 0, 0])
        other += int((corners[:, 0] != inner[:, 0, 0]).sum())
        own += int((corners[:, 0] == inner[:, 0, 0]).sum())
    # 0.8 of the views, but for those that were given their own.
    assert other / (other + own) == pytest.approx(0.8 * (1 - 1 / FACES), abs=0.05)


def test_another_share_is_drawn_as_stated(drawn: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    as_they_are(monkeypatch)
    monkeypatch.setattr(batches, "_BACKGROUND_SHARE", 0.0)
    crops = drawn(0).crops
    assert (crops == crops[:, :, :1, :1]).all()


def test_surroundings_come_from_all_over_other_pictures(
    targets: Targets, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Else a corner of the crop would always show the same corner of a picture."""
    as_they_are(monkeypatch)
    images = rng.integers(0, 256, (FACES, SIDE, SIDE, 3)).astype(np.uint8)
    drawn = Batches(Patches(images, np.tile(BOX, (FACES, 1))), targets, np.arange(FACES), CROP, INPUT)
    sums = [image.sum() for image in images]
    found = drawn._backgrounds(np.random.default_rng(0))
    assert 0.6 < np.mean([each is not None for each in found]) < 0.95
    for each in found:
        if each is None:
            continue
        assert 1.0 <= each.reach <= 1.3
        (source,) = (image for image, content in zip(images, sums, strict=True) if content == each.image.sum())
        assert not np.array_equal(source, each.image)


def test_the_same_step_gives_the_same_batch_and_another_step_another(drawn: Batches) -> None:
    one, again, other = drawn(7), drawn(7), drawn(8)
    for name in ("crops", "beliefs", "angles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


def test_faces_as_they_are_keep_their_pictures(drawn: Batches, targets: Targets) -> None:
    faces = np.arange(0, FACES, 3)
    plain = drawn.plain(faces)
    assert (plain.crops == plain.crops[:, :, :1, :1]).all()
    np.testing.assert_array_equal(plain.crops[:, 2, 0, 0], LEVELS[faces])
    np.testing.assert_allclose(plain.angles, targets.angles[faces], atol=1e-4)


def test_rare_poses_are_drawn_more_often(flat: Patches, monkeypatch: pytest.MonkeyPatch) -> None:
    as_they_are(monkeypatch)
    monkeypatch.setattr(batches, "_BACKGROUND_SHARE", 0.0)
    angles = np.zeros((FACES, 3))
    angles[0] = [80, 0, 0]
    beliefs = grid.narrow(angles, np.full(angles.shape, 4.0)).astype(np.float32)[None]
    targets = combine([Answers(rotation_from_euler(angles).astype(np.float32)[None], beliefs)], [None])
    drawn = Batches(flat, targets, np.arange(FACES), CROP, INPUT)
    rare = np.mean([(drawn(step).crops[:, 2, 0, 0] == LEVELS[0]).mean() for step in range(10)])
    # Two bands of 49 faces and of one: 1 against 49 ** 0.2.
    assert rare == pytest.approx(1 / (1 + 49**0.2), abs=0.06)
    assert BATCH * rare > 2
