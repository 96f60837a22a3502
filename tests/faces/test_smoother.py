"""smooth: a scalar One-Euro filter and a Kalman filter as oracles, and what must hold for any rotations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hpe_edge import InputError, Poses
from hpe_edge import geometry as g
from hpe_edge.faces.smoother import PoseSmoother

Float64Array = NDArray[np.float64]
FPS = 30.0
# Poses are float32, whose rotations are known to 1e-7; the sums of some dozen frames stay within this many degrees.
FLOAT32_DEG = 2e-4

unit = st.floats(-1, 1)
axes = st.tuples(unit, unit, unit).filter(lambda v: np.linalg.norm(v) > 0.1)
# Each example is a few dozen frames, which takes long on a busy machine.
brief = settings(deadline=None, max_examples=40)
turns = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=12)


def poses_of(rotations: Float64Array, sigma_deg: float = np.nan) -> Poses:
    angles = g.euler_from_rotation(rotations).astype(np.float32)
    return Poses(angles, np.full_like(angles, sigma_deg), rotations.astype(np.float32))


def filtered(
    smoother: PoseSmoother, rotations: Float64Array, time_s: Sequence[float], sigma_deg: Sequence[float] | None = None
) -> Float64Array:
    """One face's rotations ``[T, 3, 3]`` through the filter."""
    sigmas = [np.nan] * len(time_s) if sigma_deg is None else sigma_deg
    steps = zip(time_s, rotations, sigmas, strict=True)
    return np.array([smoother(t, [7], poses_of(r[None], s)).rotation[0] for t, r, s in steps], np.float64)


def about(axis: Sequence[float], angles_rad: Sequence[float]) -> Float64Array:
    direction = np.array(axis) / np.linalg.norm(axis)
    return g.rotation_from_rotvec(np.array(angles_rad)[:, None] * direction).astype(np.float64)


def one_euro(
    values: Sequence[float], time_s: Sequence[float], min_cutoff_hz: float, beta: float, *, as_published: bool = False
) -> list[float]:
    """The scalar filter, written from the paper; its own smoothing factor is a first-order approximation."""

    def factor(cutoff_hz: float, dt: float) -> float:
        if as_published:
            return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * dt))
        return 1 - np.exp(-2 * np.pi * cutoff_hz * dt)

    value, speed = values[0], 0.0
    result = [value]
    for (t0, x0), (t1, x1) in itertools.pairwise(zip(time_s, values, strict=True)):
        speed += factor(1.0, t1 - t0) * ((x1 - x0) / (t1 - t0) - speed)
        value += factor(min_cutoff_hz + beta * abs(speed), t1 - t0) * (x1 - value)
        result.append(value)
    return result


@brief
@given(axis=axes, turns=turns, min_cutoff_hz=st.floats(0.1, 5), beta=st.floats(0, 3), seed=st.integers(0, 99))
def test_about_one_axis_it_is_the_scalar_filter(
    axis: tuple[float, float, float], turns: list[float], min_cutoff_hz: float, beta: float, seed: int
) -> None:
    values = np.cumsum(turns).tolist()
    time_s = np.cumsum(np.random.default_rng(seed).uniform(0.005, 0.2, len(values))).tolist()
    out = filtered(PoseSmoother(min_cutoff_hz=min_cutoff_hz, beta=beta), about(axis, values), time_s)
    wanted = about(axis, one_euro(values, time_s, min_cutoff_hz, beta))
    assert g.geodesic_deg(out, wanted).max() < FLOAT32_DEG * (1 + 10 * beta)  # rounding counts as speed


def test_at_a_high_frame_rate_it_is_the_published_filter() -> None:
    time_s = np.arange(0, 1, 1e-3)
    values = 0.6 * np.sin(5 * time_s)
    out = filtered(PoseSmoother(min_cutoff_hz=1.0, beta=0.5), about([1, 2, 3], values), time_s.tolist())
    wanted = about([1, 2, 3], one_euro(values.tolist(), time_s.tolist(), 1.0, 0.5, as_published=True))
    assert g.geodesic_deg(out, wanted).max() < 0.1  # the two factors are half a frame apart, at 170 degrees a second
    assert g.geodesic_deg(out, about([1, 2, 3], values)).max() > 2  # the two would differ if anything was amiss


@brief
@given(seed=st.integers(0, 999), axis=axes, angle=st.floats(-3, 3))
def test_a_turned_camera_turns_the_result(seed: int, axis: tuple[float, float, float], angle: float) -> None:
    steps = np.random.default_rng(seed).normal(0, 0.2, (12, 3))
    rotations = g.rotation_from_rotvec(np.cumsum(steps, axis=0)).astype(np.float64)
    time_s = (np.arange(12) / FPS).tolist()
    turned = about(axis, [angle])[0]
    straight = filtered(PoseSmoother(), rotations, time_s)
    assert g.geodesic_deg(filtered(PoseSmoother(), turned @ rotations, time_s), turned @ straight).max() < 1e-3


@brief
@given(y=st.floats(-180, 180), p=st.floats(-180, 180), r=st.floats(-180, 180))
def test_what_stays_is_left_alone(y: float, p: float, r: float) -> None:
    rotations = np.repeat(g.rotation_from_euler([y, p, r])[None], 20, axis=0)
    out = filtered(PoseSmoother(), rotations, (np.arange(20) / FPS).tolist())
    assert g.geodesic_deg(out, rotations).max() < FLOAT32_DEG


@brief
@given(axis=axes, angle=st.floats(0.05, 3.0), beta=st.floats(0, 2))
def test_a_step_is_followed_straight_and_without_overshoot(
    axis: tuple[float, float, float], angle: float, beta: float
) -> None:
    time_s = (np.arange(40) / FPS).tolist()
    out = filtered(PoseSmoother(beta=beta), about(axis, [0.0] + [angle] * 39), time_s)
    gone, left = g.geodesic_deg(out, np.eye(3)), g.geodesic_deg(out, about(axis, [angle]))
    assert (np.diff(left) < FLOAT32_DEG).all() and left[-1] < 0.02 * left[0]
    np.testing.assert_allclose(gone + left, np.rad2deg(angle), atol=1e-2)  # on the way from one to the other


@pytest.mark.parametrize("beta", [0.0, 0.8])
def test_frame_rates_agree(beta: float) -> None:
    def run(fps: int) -> tuple[Float64Array, Float64Array]:
        times = np.arange(4 * fps) / fps
        angles = np.stack([60 * np.sin(3 * times), 20 * np.cos(2 * times), 15 * np.sin(times)], axis=-1)
        rotations = g.rotation_from_euler(angles).astype(np.float64)
        return rotations, filtered(PoseSmoother(beta=beta), rotations, times.tolist())

    rotations, slow = run(30)
    _, fast = run(60)
    # An estimate is taken to have held since the one before, which at 30 FPS is 1/120 s more wrong on average, at up to
    # 180 degrees a second.
    assert g.geodesic_deg(slow, fast[::2]).max() < 1.6
    assert g.geodesic_deg(slow, rotations).max() > 5


@pytest.mark.parametrize("fps", [10, 30, 240])
def test_a_step_takes_the_same_time_at_any_frame_rate(fps: int) -> None:
    after = np.arange(2 * fps) / fps
    out = filtered(
        PoseSmoother(min_cutoff_hz=0.7, beta=0.0), about([0, 1, 0], [0.0, *([1.0] * len(after))]), [-1 / fps, *after]
    )
    # One frame's time has passed when the first estimate after the step comes.
    wanted = np.rad2deg(np.exp(-2 * np.pi * 0.7 * (after + 1 / fps)))
    np.testing.assert_allclose(g.geodesic_deg(out[1:], about([0, 1, 0], [1.0])), wanted, atol=1e-3)


def test_through_the_gimbal_and_across_180_degrees() -> None:
    time_s = np.arange(120) / FPS
    for start, end in (([40, 10, -5], [140, 10, -5]), ([0, 0, 120], [0, 0, 240]), ([0, 150, 20], [0, 210, 20])):
        share = (time_s / time_s[-1])[:, None]
        truth = np.array(start) * (1 - share) + np.array(end) * share
        rotations = g.rotation_from_euler(truth).astype(np.float64)
        out = filtered(PoseSmoother(), rotations, time_s.tolist())
        per_frame = g.geodesic_deg(out[1:], out[:-1])
        assert per_frame.max() < 1.02  # the head turns by up to 1.01
        assert g.geodesic_deg(out, rotations).max() < 5


def test_angles_belong_to_the_rotation_and_do_not_fold() -> None:
    smoother = PoseSmoother()
    rng = np.random.default_rng(0)
    for at in range(40):
        yaw = 60 + 2.5 * at  # through 90, to 157
        given_angles = np.float32([[yaw, 12, -7]]) + rng.normal(0, 1, (1, 3)).astype(np.float32)
        rotation = g.rotation_from_euler(given_angles)
        out = smoother(at / FPS, [0], Poses(given_angles, np.full((1, 3), 4, np.float32), rotation))
        assert g.geodesic_deg(out.rotation, g.rotation_from_euler(out.angles)).max() < 0.1
        if abs(out.yaw[0] - 90) > 5:
            np.testing.assert_allclose(out.angles[0], [yaw, 12, -7], atol=12)
        np.testing.assert_array_equal(out.sigma, np.float32([[4, 4, 4]]))


def kalman(values: Sequence[float], variances: Sequence[float], gain: float) -> list[float]:
    """A Kalman filter for a random walk, in the steady state that it has with this gain and variances of 1."""
    drift, variance, value = gain**2 / (1 - gain), gain, values[0]
    result = [value]
    for seen, noise in zip(values[1:], variances[1:], strict=True):
        variance += drift
        weight = variance / (variance + noise)
        value, variance = value + weight * (seen - value), (1 - weight) * variance
        result.append(value)
    return result


@brief
@given(turns=turns, times_usual=st.lists(st.floats(1, 20), min_size=12, max_size=12))
def test_doubt_counts_as_in_a_kalman_filter(turns: list[float], times_usual: list[float]) -> None:
    values, sigmas = np.cumsum(turns).tolist(), times_usual[: len(turns)]
    smoother = PoseSmoother(min_cutoff_hz=1.0, beta=0.0, sigma_usual_deg=6.0)
    time_s = (np.arange(len(values)) / FPS).tolist()
    out = filtered(smoother, about([1, 0, 2], values), time_s, [6.0 * s for s in sigmas])
    wanted = kalman(values, [s * s for s in sigmas], 1 - np.exp(-2 * np.pi / FPS))
    assert g.geodesic_deg(out, about([1, 0, 2], wanted)).max() < FLOAT32_DEG * 5


@pytest.mark.parametrize("sigma_deg", [0.0, 3.0, 6.4, np.nan])
def test_who_is_sure_or_says_nothing_is_believed_alike(rng: np.random.Generator, sigma_deg: float) -> None:
    rotations = g.rotation_from_rotvec(rng.normal(0, 0.3, (20, 3))).astype(np.float64)
    time_s = (np.arange(20) / FPS).tolist()
    plain = filtered(PoseSmoother(), rotations, time_s)
    np.testing.assert_array_equal(filtered(PoseSmoother(), rotations, time_s, [sigma_deg] * 20), plain)
    assert g.geodesic_deg(filtered(PoseSmoother(), rotations, time_s, [30.0] * 20), plain).max() > 0.5


def test_a_lost_pose_stays_lost_and_harms_nothing(rng: np.random.Generator) -> None:
    rotations = g.rotation_from_rotvec(rng.normal(0, 0.2, (10, 2, 3))).astype(np.float64)
    rotations[4, 0] = np.nan
    with_gap, alone = PoseSmoother(), PoseSmoother()
    for at, pair in enumerate(rotations):
        out = with_gap(at / FPS, [0, 1], poses_of(pair))
        if at == 4:
            assert np.isnan(out.rotation[0]).all() and np.isnan(out.angles[0]).all()
            assert np.isfinite(out.rotation[1]).all()
        else:
            one = alone(at / FPS, [0], poses_of(pair[:1]))
            np.testing.assert_array_equal(out.rotation[:1], one.rotation)


def test_identities_do_not_mix(rng: np.random.Generator) -> None:
    rotations = g.rotation_from_rotvec(rng.normal(0, 0.3, (15, 5, 3))).astype(np.float64)
    crowd, single = PoseSmoother(), [PoseSmoother() for _ in range(5)]
    for at, faces in enumerate(rotations):
        order = rng.permutation(5)[: 5 if at < 6 else 3]
        out = crowd(at / FPS, 10 * order, poses_of(faces[order]))
        for row, face in enumerate(order):
            alone = single[face](at / FPS, [3], poses_of(faces[face][None]))
            np.testing.assert_allclose(out.rotation[row], alone.rotation[0], atol=1e-6)


def test_first_poses_and_nameless_ones_pass_unchanged(rng: np.random.Generator) -> None:
    smoother = PoseSmoother()
    for at in range(3):
        given_poses = poses_of(g.rotation_from_rotvec(rng.normal(0, 0.3, (3, 3))), sigma_deg=5)
        before = [array.copy() for array in (given_poses.angles, given_poses.rotation, given_poses.sigma)]
        out = smoother(at / FPS, [-1, 4, -1], given_poses)
        rows = [0, 1, 2] if at == 0 else [0, 2]
        np.testing.assert_array_equal(out.rotation[rows], given_poses.rotation[rows])
        np.testing.assert_array_equal(out.angles[rows], given_poses.angles[rows])
        assert at == 0 or g.geodesic_deg(out.rotation[1], given_poses.rotation[1]) > 0.1
        for was, now in zip(before, (given_poses.angles, given_poses.rotation, given_poses.sigma), strict=True):
            np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize(("then_s", "remembered"), [(0.9, True), (1.1, False), (-0.5, False)])
def test_what_is_forgotten(then_s: float, remembered: bool) -> None:
    # So low a cut-off that the filter hardly moves while it remembers.
    smoother = PoseSmoother(min_cutoff_hz=0.01, beta=0.0, forget_s=1.0)
    smoother(0.0, [2], poses_of(np.eye(3)[None]))
    far = poses_of(about([0, 1, 0], [1.0]))
    moved = g.geodesic_deg(smoother(then_s, [2], far).rotation[0], np.eye(3))
    assert moved < 5 if remembered else moved > 57


def test_time_may_stand_still() -> None:
    smoother = PoseSmoother()
    smoother(1.0, [0], poses_of(np.eye(3)[None]))
    same = smoother(1.0, [0], poses_of(about([0, 1, 0], [0.5])))
    assert g.geodesic_deg(same.rotation[0], np.eye(3)) < FLOAT32_DEG
    later = smoother(1.1, [0], poses_of(about([0, 1, 0], [0.5])))
    assert np.isfinite(later.rotation).all() and 5 < g.geodesic_deg(later.rotation[0], np.eye(3)) < 28


def test_no_faces_and_a_long_run(rng: np.random.Generator) -> None:
    smoother = PoseSmoother()
    assert len(smoother(0.0, [], Poses.empty(0))) == 0
    angles = 40 * np.sin(np.arange(5000)[:, None] / [31, 47, 59]) + rng.normal(0, 3, (5000, 3))
    out = np.eye(3)[None]
    for at, rotation in enumerate(g.rotation_from_euler(angles)):
        out = smoother(at / FPS, [0], poses_of(rotation[None])).rotation
    np.testing.assert_allclose(out[0] @ out[0].T, np.eye(3), atol=1e-6)


@pytest.mark.parametrize(
    ("ids", "fragment"),
    [
        ([1, 1], "unique in a frame"),
        ([1], "one integer per pose"),
        ([0.5, 1.5], "integer"),
        ([[1, 2]], "(1, 2)"),
    ],
)
def test_ids_that_are_none(ids: list[int], fragment: str) -> None:
    with pytest.raises(InputError, match=fragment.replace("(", r"\(").replace(")", r"\)")):
        PoseSmoother()(0.0, ids, poses_of(np.stack([np.eye(3)] * 2)))


@pytest.mark.parametrize("time_s", [np.nan, np.inf])
def test_times_that_are_none(time_s: float) -> None:
    with pytest.raises(InputError, match="time_s must be finite"):
        PoseSmoother()(time_s, [], Poses.empty(0))


@pytest.mark.parametrize("name", ["min_cutoff_hz", "beta", "sigma_usual_deg", "forget_s"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_settings_that_are_none(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        PoseSmoother(**{name: value})
