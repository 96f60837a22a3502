"""averages against SciPy's and NumPy's own figures, and what makes them undefined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpe_edge import averages as a
from hpe_edge import geometry as g

spread = st.lists(st.floats(-20, 20), min_size=1, max_size=8)


@given(around=st.floats(-180, 180), offsets=spread)
def test_circular_mean_turns_with_its_angles(around: float, offsets: list[float]) -> None:
    offset_mean = a.circular_mean_deg(offsets)
    assert min(offsets) - 1e-9 <= offset_mean <= max(offsets) + 1e-9
    np.testing.assert_allclose(
        g.difference_deg(a.circular_mean_deg(np.array(offsets) + around), around + offset_mean), 0, atol=1e-9
    )


@given(st.lists(st.floats(-180, 180), min_size=1, max_size=8), st.integers(0, 7))
def test_weights_are_repetitions(angles: list[float], twice: int) -> None:
    twice %= len(angles)
    weights = np.ones(len(angles))
    weights[twice] = 2
    repeated = [*angles, angles[twice]]
    if np.abs(np.exp(1j * np.deg2rad(repeated)).mean()) < 1e-6:
        return
    difference = g.difference_deg(a.circular_mean_deg(angles, weights), a.circular_mean_deg(repeated))
    np.testing.assert_allclose(difference, 0, atol=1e-6)
    np.testing.assert_allclose(a.circular_std_deg(angles, weights), a.circular_std_deg(repeated), rtol=1e-6, atol=1e-5)


def test_circular_figures_by_hand() -> None:
    assert a.circular_mean_deg([350, 10]) == pytest.approx(0, abs=1e-12)
    assert a.circular_mean_deg([170, -170]) == pytest.approx(180, abs=1e-12)
    assert a.circular_mean_deg([0, 90], [0, 1]) == pytest.approx(90)
    assert a.circular_mean_deg([0, 90], [1, 1]) == pytest.approx(45)
    # r = cos 60
    assert a.circular_std_deg([-60, 60]) == pytest.approx(np.rad2deg(np.sqrt(2 * np.log(2))))
    assert a.circular_std_deg([33, 33, 33]) == pytest.approx(0, abs=1e-5)


def test_a_small_circular_deviation_is_the_usual_one(rng: np.random.Generator) -> None:
    angles = rng.normal(179, 2, (5, 4000))
    np.testing.assert_allclose(a.circular_std_deg(angles), angles.std(axis=1), rtol=2e-3)
    np.testing.assert_allclose(g.difference_deg(a.circular_mean_deg(angles), angles.mean(axis=1)), 0, atol=1e-3)


def test_circular_figures_against_scipy(rng: np.random.Generator) -> None:
    stats = pytest.importorskip("scipy.stats", reason="compares with SciPy where it is installed")
    angles = rng.uniform(-180, 180, (6, 7))
    range_deg = {"high": 180, "low": -180, "axis": 1}
    np.testing.assert_allclose(a.circular_mean_deg(angles), stats.circmean(angles, **range_deg), atol=1e-9)
    np.testing.assert_allclose(a.circular_std_deg(angles), stats.circstd(angles, **range_deg), atol=1e-9)


def test_no_mean_is_nan() -> None:
    for angles in ([], [0, 180], [0, 120, 240], [np.nan, 1]):
        assert np.isnan(a.circular_mean_deg(angles))
    assert np.isnan(a.circular_std_deg([])) and np.isnan(a.circular_std_deg([np.nan, 1]))
    assert a.circular_std_deg([0, 180]) > 360
    assert np.isnan(a.circular_mean_deg([1, 2], [0, 0]))
    rows = a.circular_mean_deg([[np.nan, 1], [2, 4]])
    assert np.isnan(rows[0]) and rows[1] == pytest.approx(3)
    assert a.circular_mean_deg(np.zeros((4, 0))).shape == (4,)


@given(st.lists(st.floats(-180, 180), min_size=3, max_size=3), st.floats(0, 0.1), st.integers(0, 1000))
def test_a_bent_rotation_is_straightened(angles: list[float], bend: float, seed: int) -> None:
    rotation = g.rotation_from_euler(angles)
    noise = np.random.default_rng(seed).normal(0, 1, (3, 3))
    bent = rotation + bend * noise / np.linalg.norm(noise)
    straight = a.nearest_rotation(bent)
    np.testing.assert_allclose(straight @ straight.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(straight) == pytest.approx(1)
    np.testing.assert_allclose(a.nearest_rotation(rotation), rotation, atol=1e-12)
    # Nearest: S^T M is symmetric there, and no small turn comes nearer.
    np.testing.assert_allclose(straight.T @ bent, (straight.T @ bent).T, atol=1e-12)
    for axis in np.eye(3):
        for step in (-0.01, 0.01):
            turned = straight @ g.rotation_from_rotvec(step * axis)
            assert np.linalg.norm(turned - bent) > np.linalg.norm(straight - bent)


def test_a_mirrored_matrix_gives_a_rotation_all_the_same() -> None:
    straight = a.nearest_rotation(np.diag([3.0, 2.0, -1.0]))
    np.testing.assert_allclose(straight, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    "matrix", [np.zeros((3, 3)), np.diag([1.0, 0, 0]), np.full((3, 3), np.nan), np.diag([np.inf, 1, 1]), -np.eye(3)]
)
def test_no_nearest_rotation_is_nan(matrix: np.ndarray) -> None:
    both = a.nearest_rotation(np.stack([matrix, np.eye(3)]))
    assert np.isnan(both[0]).all()
    np.testing.assert_allclose(both[1], np.eye(3), atol=1e-12)


@given(st.lists(st.floats(-180, 180), min_size=3, max_size=3), spread)
def test_mean_about_one_axis_is_the_circular_mean(angles: list[float], turns: list[float]) -> None:
    base = g.rotation_from_euler(angles)
    axis = np.array([0.6, -0.48, 0.64])
    rotations = base @ g.rotation_from_rotvec(np.deg2rad(turns)[:, None] * axis)
    want = base @ g.rotation_from_rotvec(np.deg2rad(a.circular_mean_deg(turns)) * axis)
    assert g.geodesic_deg(a.mean_rotation(rotations), want) < 1e-6


def test_mean_rotation_against_scipy(rng: np.random.Generator) -> None:
    transform = pytest.importorskip("scipy.spatial.transform", reason="compares with SciPy where it is installed")
    rotations = g.rotation_from_euler(rng.normal(0, 40, (4, 9, 3)))
    weights = rng.uniform(0, 1, (4, 9))
    means = a.mean_rotation(rotations, weights)
    for mean, group, share in zip(means, rotations, weights, strict=True):
        want = transform.Rotation.from_matrix(group).mean(share).as_matrix()
        assert g.geodesic_deg(mean, want) < 1e-5


def test_no_mean_rotation_is_nan() -> None:
    assert np.isnan(a.mean_rotation(np.zeros((0, 3, 3)))).all()
    half_turns = np.stack([np.diag([1.0, -1, -1]), np.eye(3)])
    assert np.isnan(a.mean_rotation(half_turns)).all()
    assert np.isnan(a.mean_rotation(np.stack([np.full((3, 3), np.nan), np.eye(3)]))).all()
    assert np.isnan(a.mean_rotation(half_turns, [0, 0])).all()
    np.testing.assert_allclose(a.mean_rotation(half_turns, [0, 1]), np.eye(3), atol=1e-12)


def test_float32_is_kept() -> None:
    angles = np.float32([[1, 2, 3], [4, 5, 6]])
    rotations = g.rotation_from_euler(angles)
    for values in (
        a.circular_mean_deg(angles),
        a.circular_std_deg(angles),
        a.nearest_rotation(rotations),
        a.mean_rotation(rotations),
    ):
        assert values.dtype == np.float32
    assert a.circular_mean_deg(angles.astype(np.float64)).dtype == np.float64
