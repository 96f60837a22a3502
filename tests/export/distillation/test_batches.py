"""Batches of export.distill: what is shown and what is believed belong together, and steps are repeatable."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the export tests need torch")

from export.distillation import angle_grid
from export.distillation.arrays import BATCH, FACE, SIDE, Patches, Predictions
from export.distillation.patches import cut_patch
from export.distillation.targets import Batches, Targets
from hpe_edge.ops.crop import crop_normalize
from hpe_edge.spec import Crop, Input

CROP, INPUT = Crop(margins=(0.125,) * 4), Input(size=112, color="RGB", scale=1 / 255, mean=(0.5,) * 3, std=(0.25,) * 3)
LEVELS_OUT = Input(size=112, color="RGB", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
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
    angles = rng.uniform([-80, -40, -40], [80, 40, 40], (FACES, 3)).astype(np.float32)
    return Targets(
        [Predictions(angles, angle_grid.narrow(angles, np.full(angles.shape, 4.0)).astype(np.float16))], [None]
    )


@pytest.fixture
def drawn(flat: Patches, targets: Targets) -> Batches:
    return Batches(flat, targets, CROP, INPUT)


def test_the_answers_are_those_of_the_face_that_is_seen(
    drawn: Batches, flat: Patches, targets: Targets, rng: np.random.Generator
) -> None:
    seen, mirrored = set(), 0
    for step in range(4):
        batch = drawn(step)
        inner = batch.crops.astype(int)[:, :, 48:64, 48:64]
        assert (inner == inner[:, :, :1, :1]).all()
        np.testing.assert_array_equal(inner[:, 0, 0, 0], 255 - inner[:, 2, 0, 0])  # red comes first
        which = inner[:, 2, 0, 0] // 5
        flipped = np.abs(batch.angles - targets.angles[which]).max(axis=1) > 1e-3
        wanted = np.where(flipped[:, None], targets.angles[which] * [-1, 1, -1], targets.angles[which])
        np.testing.assert_allclose(batch.angles, wanted, atol=1e-3)
        np.testing.assert_allclose(angle_grid.expectation(batch.distributions), wanted, atol=0.1)
        seen |= set(which.tolist())
        mirrored += int(flipped.sum())
    assert len(seen) > 0.95 * FACES  # 256 draws of 50
    assert mirrored / (4 * BATCH) == pytest.approx(0.5, abs=0.12)


def test_a_mirrored_answer_belongs_to_a_mirrored_crop(targets: Targets, rng: np.random.Generator) -> None:
    images = np.zeros((FACES, SIDE, SIDE, 3), np.uint8)
    images[:, :, : SIDE // 2] = 255
    batch = Batches(Patches(images, np.tile(BOX, (FACES, 1))), targets, CROP, INPUT)(0)
    white_left = batch.crops[:, 0, 50, 5] == 255
    as_it_is = np.abs(batch.angles[:, None] - targets.angles).max(axis=2).min(axis=1) < 1e-3
    np.testing.assert_array_equal(white_left, as_it_is)


def test_the_same_step_gives_the_same_batch_and_another_step_another(drawn: Batches) -> None:
    one, again, other = drawn(7), drawn(7), drawn(8)
    for name in ("crops", "distributions", "angles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(("height", "width"), [(200, 300), (800, 900)])
def test_the_crop_of_a_patch_is_the_crop_of_the_picture(
    rng: np.random.Generator, targets: Targets, height: int, width: int
) -> None:
    """The way through the patch loses half a level, or what shrinking averages away."""
    small = rng.integers(0, 256, (7, 9, 3)).astype(np.uint8)
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    box = np.array([0.3 * width, 0.25 * height, 0.6 * width, 0.7 * height], np.float32)
    patch, place = cut_patch(picture, box)
    assert place[2:] - place[:2] == pytest.approx((box[2:] - box[:2]) * FACE / max(box[2:] - box[:2]), abs=1e-3)
    crop = Batches(Patches(patch[None], place[None]), targets, CROP, INPUT).of(np.arange(1)).crops[0]
    wanted = crop_normalize(picture, box[None], CROP, LEVELS_OUT)[0]
    assert np.abs(crop - wanted).mean() < 1.0
    assert np.abs(crop - wanted).max() < 12
