"""The mean head, from projections of a head that is known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from drawn_faces import GREEN, dots, drawn_patches, head, place_of, poses

from export.teaching.arrays import SIDE, Patches
from export.teaching.patches import read_patches
from export.teaching.teachers import open_teacher
from export.turning.head_shape import MIRRORED, landmarks_of, mean_head, placed
from export.zoo.threeddfa import LANDMARKS
from hpe_edge.geometry import rotation_from_zxy
from hpe_edge.samples import BOXES, FOLDER

SCALE, SHIFT = 96.0, np.array([96.0, 90.0])


def projected(shape: np.ndarray, rotations: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Landmarks ``[N, 68, 2]`` of heads of various sizes and places, seen from far away."""
    scale = SCALE * rng.uniform(0.9, 1.1, len(rotations))
    flat = np.stack([shape @ each.T for each in rotations])[..., :2]
    points = scale[:, None, None] * flat + SHIFT + rng.normal(0, 3, (len(rotations), 1, 2))
    return (points + rng.normal(0, noise, points.shape)).astype(np.float32)


def test_the_head_is_recovered_from_its_projections(rng: np.random.Generator) -> None:
    shape, rotations = head(), rotation_from_zxy(poses(200))
    found = mean_head(projected(shape, rotations, rng, noise=1.0), rotations)
    scale = (found * shape).sum() / (shape**2).sum()
    np.testing.assert_allclose(found / scale, shape, atol=0.02)  # the head is 1 high
    assert 0.8 < scale < 1.25
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(found[MIRRORED] * (-1, 1, 1), found, atol=1e-9)


def test_faces_that_do_not_fit_count_little(rng: np.random.Generator) -> None:
    shape, rotations = head(), rotation_from_zxy(poses(200))
    points = projected(shape, rotations, rng, noise=1.0)
    points[::4, 27:36, 1] += 60  # noses on the chin, by which the plain mean would move by 0.15
    found = mean_head(points, rotations)
    np.testing.assert_allclose(found * (shape * found).sum() / (found**2).sum(), shape, atol=0.02)


def test_every_landmark_has_its_other_side() -> None:
    np.testing.assert_array_equal(MIRRORED[MIRRORED], np.arange(68))
    np.testing.assert_allclose(head()[MIRRORED] * (-1, 1, 1), head(), atol=1e-9)


def test_a_head_is_placed_where_it_was_projected(rng: np.random.Generator) -> None:
    shape, rotations = head() + np.array([0.1, 0.2, 0.3]), rotation_from_zxy(poses(7))
    points = SCALE * np.stack([shape @ each.T for each in rotations])[..., :2] + SHIFT
    scale, shift, error = placed(shape, points, rotations)
    np.testing.assert_allclose(scale, SCALE)
    np.testing.assert_allclose(shift, np.tile(SHIFT, (7, 1)))
    np.testing.assert_allclose(error, 0, atol=1e-9)
    assert placed(shape, -points, rotations)[2].min() > 1  # upside down: no fit
    points[:, :34, 0] += 2
    points[:, 34:, 0] -= 2
    np.testing.assert_allclose(placed(shape, points, rotations)[2], 1 / SCALE, rtol=0.2)  # x errs by 2, y not


def test_landmarks_are_in_pixels_of_the_patch() -> None:
    """A network that gives the place of a dot 68 times; 120 pixels of the patch are its crop of 120."""
    wanted = np.array([[80.0, 120.5], [100.0, 60.0], [140.0, 90.0]])
    seen = []

    def landmarks(image: torch.Tensor) -> torch.Tensor:
        pictures = (image * 128 + 127.5).permute(0, 2, 3, 1).round().numpy().astype(np.uint8)
        seen.extend(pictures)
        places = np.stack([place_of(each, GREEN) for each in pictures])
        return torch.from_numpy(places[:, None].repeat(LANDMARKS, axis=1)).float()

    pictures = np.stack([dots(each[None], [GREEN], SIDE, SIDE, 5.0) for each in wanted])
    patches = Patches(pictures, drawn_patches(poses(3)).boxes, np.arange(3))
    found = landmarks_of(SimpleNamespace(landmarks=landmarks), patches)  # type: ignore[arg-type]
    assert found.shape == (3, LANDMARKS, 2) and seen[0].shape == (120, 120, 3)
    np.testing.assert_allclose(found, wanted[:, None].repeat(LANDMARKS, axis=1), atol=0.1)


def test_the_published_network_finds_the_landmarks_of_the_bundled_faces(data: Path) -> None:
    """Their boxes are those that the samples state, chin to eyebrows."""
    patches = read_patches([FOLDER], BOXES, "landmarks", [])
    net = open_teacher(data / "checkpoints/3ddfa_v2/mb05_120x120.pth").net
    points = landmarks_of(net, patches)  # type: ignore[arg-type]
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    assert np.abs(boxes - patches.boxes).max() < 9
    chin, nose, brow = (points[:, i, 1] for i in (8, 30, 19))
    assert (chin > nose).all() and (nose > brow).all()
    assert (points[:, 36, 0] < points[:, 45, 0]).all()  # the right eye is to the left
