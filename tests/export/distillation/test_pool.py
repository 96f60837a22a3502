"""The pool of a student: what is left out, what is turned, and that turned faces have their new poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_faces import BLUE, GREEN, RED, dots, drawn_patches, head, place_of, poses

from export.distillation import pool as pool_module
from export.distillation.pool import can_turn, make_pool, pool_of
from export.distillation.views import Pool
from export.teaching.arrays import FACE, MIDDLE, SIDE, Labels, Patches
from export.teaching.consensus import Consensus, Opinion
from hpe_edge.errors import ModelError
from hpe_edge.geometry import rotation_from_zxy, zxy_from_rotation

FACES = 24
NOSE, BROW, CORNER = 30, 24, 48


def consensus(zxy_deg: np.ndarray, doubt_deg: np.ndarray | float = 1.0) -> Consensus:
    doubt = np.broadcast_to(doubt_deg, len(zxy_deg)).astype(float)
    labels = Labels(rotation_from_zxy(zxy_deg), np.full((len(zxy_deg), 3), 2.0))
    return Consensus(labels, doubt, doubt[None])


@pytest.fixture(scope="module")
def heads() -> tuple[Patches, np.ndarray, np.ndarray]:
    """Heads with dots on nose, brow and corner of the mouth, their landmarks and their poses."""
    zxy = poses(FACES, roll=3.0)
    zxy[:4, 0] = 0.0
    points = np.empty((FACES, 68, 2), np.float32)
    for each, rotation in zip(points, rotation_from_zxy(zxy), strict=True):
        flat = (head() @ rotation.T)[:, :2]
        low, high = flat.min(axis=0), flat.max(axis=0)
        each[:] = (flat - (low + high) / 2) * FACE / (high - low).max() + MIDDLE
    colors = [GREEN, RED, BLUE]
    pictures = np.stack([dots(each[[NOSE, BROW, CORNER]], colors, SIDE, SIDE, 2.5) for each in points])
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return Patches(pictures, boxes, np.arange(FACES)), points, zxy


def joined(heads: tuple[Patches, np.ndarray, np.ndarray], cache: Path, **changed: object) -> Pool:
    patches, points, zxy = heads
    given = {"faces": np.arange(FACES), "points": points, "consensus": consensus(zxy), **changed}
    return make_pool(patches, given["faces"], given["points"], given["consensus"], cache)  # type: ignore[arg-type]


def test_doubtful_faces_are_left_out(tmp_path: Path) -> None:
    zxy = poses(6)
    patches, doubt = drawn_patches(zxy), np.array([1.0, 13.9, 14.1, 60.0, 0.0, 5.0])
    found = make_pool(patches, np.array([0, 1, 2, 3, 5]), None, consensus(zxy, doubt), tmp_path)
    for array, wanted in ((found.pictures, patches.pictures), (found.labels.rotations, rotation_from_zxy(zxy))):
        np.testing.assert_array_equal(array, wanted[[0, 1, 5]])
    np.testing.assert_array_equal(found.boxes, patches.boxes[[0, 1, 5], None])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelError, match="--aligned-teacher"):
        make_pool(patches, np.array([2, 3]), None, consensus(zxy, doubt), tmp_path)


def test_landmarks_give_a_second_box(heads: tuple[Patches, np.ndarray, np.ndarray]) -> None:
    patches, points, zxy = heads
    faces = np.array([5, 2])
    found = pool_of(patches, faces, points + np.float32(3), consensus(zxy))
    np.testing.assert_array_equal(found.boxes[:, 0], patches.boxes[faces])
    np.testing.assert_allclose(found.boxes[:, 1], patches.boxes[faces] + 3, atol=1e-4)


@pytest.mark.parametrize(("sure", "able"), [(19, False), (20, True)])
def test_twenty_sure_faces_shape_a_head(sure: int, able: bool) -> None:
    assert can_turn(consensus(poses(FACES), np.where(np.arange(FACES) < sure, 4.9, 5.1))) is able


def test_turned_faces_show_their_new_poses(heads: tuple[Patches, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    found, before = joined(heads, tmp_path), heads[2]
    assert len(found.boxes) == 3 * FACES == len(found.labels) == len(found.pictures)
    np.testing.assert_array_equal(found.pictures[:FACES], heads[0].pictures)
    after = np.asarray(zxy_from_rotation(found.labels.rotations[FACES:]))
    turned, near = after - before.repeat(2, axis=0), []
    assert (np.abs(turned[:, 0]) > 9.9).all() and (np.abs(turned[:, 0]) < 60.1).all()
    assert (np.abs(turned[:, 1]) < 20.1).all() and np.abs(turned[:, 1]).max() > 10
    np.testing.assert_allclose(turned[:, 2], 0, atol=1e-6)
    outwards = after[:, 0] * before.repeat(2, axis=0)[:, 0] >= 0
    outwards &= np.abs(after[:, 0]) > np.abs(before.repeat(2, axis=0)[:, 0])  # nothing that was hidden is shown
    for row, rotation in enumerate(found.labels.rotations[FACES:]):
        flat = (head() @ rotation.T)[:, :2]
        low, high = flat.min(axis=0), flat.max(axis=0)
        wanted = (flat - (low + high) / 2) * FACE / (high - low).max() + MIDDLE
        boxes = found.boxes[FACES + row]
        np.testing.assert_allclose(boxes[0], [*wanted.min(axis=0), *wanted.max(axis=0)], atol=1.5)
        np.testing.assert_array_equal(boxes[0], boxes[1])
        if outwards[row]:
            near.append(place_of(found.pictures[FACES + row], GREEN) - wanted[NOSE])
    assert len(near) > FACES and np.abs(near).max() < 4


def test_a_turn_widens_the_label(heads: tuple[Patches, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    found = joined(heads, tmp_path)
    turned = np.abs(zxy_from_rotation(found.labels.rotations[FACES:]) - heads[2].repeat(2, axis=0)).sum(axis=1)
    wanted = np.hypot(2.0, 0.06 * turned)
    np.testing.assert_allclose(found.labels.widths[FACES:], wanted[:, None].repeat(3, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found.labels.widths[:FACES], 2.0)


def test_most_faces_turn_away_and_frontal_ones_to_either_side() -> None:
    """Faces at 20 degrees, frontal ones, and such that hide half of the face, which only turn further away."""
    before = np.zeros((3000, 3))
    before[:, 0] = np.array([-20.0, 0.0, 40.0]).repeat(1000)
    half, front, side = (pool_module._drawn_poses(before)[:, 0] - before[:, 0]).reshape(3, 1000)
    assert (half < 0).mean() == pytest.approx(0.75, abs=0.04)
    assert (front > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert side.min() > 9.99
    far = pool_module._drawn_poses(np.full((1000, 3), [90.0, 50.0, 7.0]))
    np.testing.assert_allclose(far.max(axis=0), [105, 60, 7])
    assert far[:, 0].min() > 99.9


def test_unsure_faces_are_not_turned(heads: tuple[Patches, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    """Nine degrees of disagreement, or landmarks that fit no head; the head is shaped by all others."""
    _, points, zxy = heads
    doubt = np.where(np.arange(FACES) < 2, 9.5, 1.0)
    odd = points.copy()
    odd[2] = odd[2, ::-1]
    found = joined(heads, tmp_path, points=odd, consensus=consensus(zxy, doubt))
    assert len(found.boxes) == FACES + 2 * (FACES - 3)
    few = joined(heads, tmp_path, faces=np.arange(3, 7))
    assert len(few.boxes) == 3 * 4


def test_where_no_face_fits_the_head_none_is_turned(
    heads: tuple[Patches, np.ndarray, np.ndarray], tmp_path: Path, rng: np.random.Generator
) -> None:
    noise = rng.uniform(40, 150, (FACES, 68, 2)).astype(np.float32)
    assert len(joined(heads, tmp_path, points=noise).boxes) == FACES


def test_turned_pictures_are_drawn_once(
    heads: tuple[Patches, np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = np.arange(4)
    first = joined(heads, tmp_path, faces=faces)
    with monkeypatch.context() as patch:
        patch.setattr(pool_module.HeadMesh, "turn", None)
        again = joined(heads, tmp_path, faces=faces)
    np.testing.assert_array_equal(first.pictures, again.pictures)
    other = joined(heads, tmp_path, faces=faces, points=heads[1] + np.float32(1))
    assert (other.pictures != first.pictures).any()


def test_teachers_have_a_say_in_the_poses_of_turned_faces(
    heads: tuple[Patches, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """A teacher that sees each turned face 6 degrees further: near frontal it counts, in profile the turn does."""
    plain = joined(heads, tmp_path)
    known = zxy_from_rotation(plain.labels.rotations[FACES:])
    asked: list[Patches] = []

    def ask(turned: Patches) -> list[Opinion]:
        asked.append(turned)
        seen = rotation_from_zxy(known + np.array([6.0, 0.0, 0.0]))
        looks = np.repeat(seen[:, None], 4, axis=1).astype(np.float32)
        return [Opinion("further", looks, (1.2, 1.2, 1.2), aligned=False)]

    patches, points, zxy = heads
    found = make_pool(patches, np.arange(FACES), points, consensus(zxy), tmp_path, ask)
    np.testing.assert_array_equal(asked[0].pictures, plain.pictures[FACES:])
    np.testing.assert_array_equal(found.labels.rotations[:FACES], plain.labels.rotations[:FACES])
    moved = zxy_from_rotation(found.labels.rotations[FACES:])[:, 0] - known[:, 0]
    frontal, profile = np.abs(known[:, 0]) < 15, np.abs(known[:, 0]) > 80
    assert frontal.any() and profile.any()
    assert (moved[frontal] > 4.5).all() and (moved[profile] < 4).all() and (moved > 0).all()


def test_turned_faces_that_no_teacher_recognises_are_left_out(
    heads: tuple[Patches, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    plain = joined(heads, tmp_path)
    known = zxy_from_rotation(plain.labels.rotations[FACES:])

    def ask(turned: Patches) -> list[Opinion]:
        wrong = known + np.where(np.arange(len(known))[:, None] % 2, (0.0, 0.0, 0.0), (70.0, 0.0, 40.0))
        return [Opinion("lost", rotation_from_zxy(wrong)[:, None].astype(np.float32), (1.0, 1.0, 1.0), aligned=False)]

    patches, points, zxy = heads
    found = make_pool(patches, np.arange(FACES), points, consensus(zxy), tmp_path, ask)
    np.testing.assert_array_equal(found.pictures[FACES:], plain.pictures[FACES + 1 :: 2])
