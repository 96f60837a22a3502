"""Consensus of teachers whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from export.teaching.consensus import Opinion, agree, nearest_rotation
from hpe_edge.geometry import geodesic_deg, rotation_from_euler, rotation_from_rotvec, rotation_from_zxy

FACES, LOOKS = 60, 4
ALIKE = (1.0, 1.0, 1.0)


def opinion(
    rotations: np.ndarray,
    name: str = "teacher",
    weights: tuple[float, float, float] = ALIKE,
    aligned: bool = False,
    scatter_deg: float = 0.0,
) -> Opinion:
    """Looks about the given rotations; scattered ones lie on either side, so that their mean is right."""
    swing = rotation_from_rotvec(np.deg2rad(scatter_deg) * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]))
    return Opinion(name, (rotations[:, None] @ swing).astype(np.float32), weights, aligned)


def yawed(degrees: np.ndarray | float) -> np.ndarray:
    """Rotations by a yaw alone."""
    yaw = np.broadcast_to(degrees, (FACES,))
    return rotation_from_zxy(np.stack([yaw, np.zeros(FACES), np.zeros(FACES)], axis=1))


@pytest.fixture
def truth(rng: np.random.Generator) -> np.ndarray:
    return rotation_from_zxy(rng.uniform([-70, -40, -30], [70, 40, 30], (FACES, 3)))


def test_one_teacher_is_its_own_consensus(truth: np.ndarray) -> None:
    found = agree([opinion(truth, scatter_deg=5.0)])
    assert geodesic_deg(found.labels.rotations, truth).max() < 0.01
    assert found.disagreement_deg.max() < 0.01
    np.testing.assert_allclose(found.labels.widths, 1.5, atol=0.01)


def test_two_teachers_meet_midway_and_their_distance_is_the_width() -> None:
    found = agree([opinion(yawed(20.0)), opinion(yawed(28.0))])
    assert geodesic_deg(found.labels.rotations, yawed(24.0)).max() < 0.01
    np.testing.assert_allclose(found.disagreement_deg, 4.0, atol=0.01)
    np.testing.assert_allclose(found.by_teacher_deg, 4.0, atol=0.01)
    np.testing.assert_allclose(found.labels.widths, np.tile([np.hypot(4, 1.5), 1.5, 1.5], (FACES, 1)), atol=0.02)


def test_an_outlier_counts_little(truth: np.ndarray) -> None:
    """Three are right; one is 60 degrees off on every second face, by which a plain mean would err by 14."""
    wild = truth.copy()
    wild[::2] = wild[::2] @ rotation_from_euler([60.0, 0.0, 0.0])
    found = agree([opinion(truth), opinion(wild), opinion(truth), opinion(truth)])
    assert geodesic_deg(found.labels.rotations, truth).max() < 1.5
    np.testing.assert_allclose(found.by_teacher_deg[1, ::2], 60, atol=1.5)


def test_a_teacher_whose_looks_scatter_counts_less() -> None:
    found = agree([opinion(yawed(0.0)), opinion(yawed(10.0), scatter_deg=18.0)])
    yaw = np.rad2deg(np.arcsin(found.labels.rotations[:, 0, 2]))
    assert (np.abs(yaw) < 2.0).all()  # midway is 5


@pytest.mark.parametrize("offset", [[0.0, 8.0, 0.0], [5.0, -9.0, 4.0]])
def test_an_aligned_teachers_convention_is_undone(truth: np.ndarray, offset: list[float]) -> None:
    other = truth @ rotation_from_euler(offset)
    assert geodesic_deg(agree([opinion(truth), opinion(other, aligned=True)]).labels.rotations, truth).max() < 0.01
    assert geodesic_deg(agree([opinion(truth), opinion(other)]).labels.rotations, truth).min() > 2


def test_weights_hold_at_15_45_and_75_degrees_and_are_interpolated() -> None:
    yaw = np.tile([10.0, 30.0, 60.0, 85.0, -85.0, -10.0], FACES // 6)
    # 4 degrees of roll apart, so that both have the same yaw
    two = yawed(yaw)
    one = rotation_from_euler([0, 0, 4.0]) @ two
    found = agree([opinion(one, weights=(1, 1, 0)), opinion(two, weights=(0, 1, 1))]).labels
    roll = np.rad2deg(np.arctan2(-found.rotations[:, 0, 1], found.rotations[:, 1, 1])).reshape(-1, 6)
    np.testing.assert_allclose(roll[:, [0, 5]], 4.0, atol=0.01)
    np.testing.assert_allclose(roll[:, [3, 4]], 0.0, atol=0.01)
    # at 30 degrees 1 and 1/2, at 60 degrees 1/2 and 1; trust moves it further towards the larger weight
    assert (roll[:, 1] > 4 * 2 / 3 - 0.01).all() and (roll[:, 1] < 3.2).all()
    np.testing.assert_allclose(roll[:, 2], 4 - roll[:, 1], atol=0.01)


def test_the_nearest_rotation_is_a_rotation(rng: np.random.Generator) -> None:
    rotations = rotation_from_euler(rng.uniform(-80, 80, (20, 3)))
    stretched = rotations @ np.diag([2.0, 0.5, 1.0])
    assert geodesic_deg(nearest_rotation(stretched), rotations).max() < 1e-6
    of_a_mirror = nearest_rotation(rotations @ np.diag([1.0, 1.0, -0.1]))
    np.testing.assert_allclose(np.linalg.det(of_a_mirror), 1, atol=1e-9)
    assert geodesic_deg(of_a_mirror, rotations).max() < 1e-6
