"""The smoother's own settings, and faces that are not wholly numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_smoother import FLOAT32_DEG, FPS, about, filtered, kalman, one_euro, poses_of

from hpe_edge import InputError, Poses
from hpe_edge import geometry as g
from hpe_edge.faces.smoother import UNCALIBRATED_USUAL_DEG, PoseSmoother

TIMES = (np.arange(30) / FPS).tolist()
VALUES = (0.5 * np.sin(np.arange(30) / 3.0)).tolist()


def one(rotation: np.ndarray, sigma_deg: float | list[float] = math.nan) -> Poses:
    return poses_of(rotation[None], sigma_deg)  # type: ignore[arg-type]


def test_its_own_cut_off_and_growth() -> None:
    out = filtered(PoseSmoother(), about([0, 1, 0], VALUES), TIMES)
    wanted = about([0, 1, 0], one_euro(VALUES, TIMES, 1.0, 0.8))
    assert g.geodesic_deg(out, wanted).max() < FLOAT32_DEG * 10


@pytest.mark.parametrize("sigma", [[6.5, 6.5, 6.5], [13.0, 13.0, 13.0], [30.0, 1.0, 1.0], [6.0, 6.0, 20.0]])
def test_its_own_usual_sigma_is_a_root_mean_square(sigma: list[float]) -> None:
    smoother = PoseSmoother(beta=0.0)
    out = [smoother(t, [7], one(r, sigma)).rotation[0] for t, r in zip(TIMES, about([0, 1, 0], VALUES), strict=True)]
    variance = max(float(np.mean(np.square(sigma))) / 6.5**2, 1.0)
    wanted = about([0, 1, 0], kalman(VALUES, [variance] * len(VALUES), 1 - np.exp(-2 * np.pi / FPS)))
    assert g.geodesic_deg(np.array(out), wanted).max() < FLOAT32_DEG * 10


def test_a_sigma_that_is_partly_unknown_counts_as_unknown() -> None:
    plain, partly = PoseSmoother(), PoseSmoother()
    for t, r in zip(TIMES, about([0, 1, 0], VALUES), strict=True):
        np.testing.assert_array_equal(
            partly(t, [0], one(r, [40.0, math.nan, 40.0])).rotation, plain(t, [0], one(r)).rotation
        )


def test_bins_without_calibration_claim_about_twice_the_sigma() -> None:
    assert UNCALIBRATED_USUAL_DEG == 15.0


@pytest.mark.parametrize(
    ("absent_s", "remembered"), [(0.5, True), (1.0, True), (math.nextafter(1.0, 2.0), False), (1.5, False)]
)
def test_its_own_memory_is_a_second(absent_s: float, remembered: bool) -> None:
    smoother = PoseSmoother(min_cutoff_hz=0.01, beta=0.0)
    smoother(0.0, [2], one(np.eye(3)))
    moved = g.geodesic_deg(smoother(absent_s, [2], one(about([0, 1, 0], [1.0])[0])).rotation[0], np.eye(3))
    assert moved < 5 if remembered else moved > 57


def test_a_memory_of_0_seconds_is_none() -> None:
    smoother = PoseSmoother(forget_s=0.0)
    for t, r in zip(TIMES, about([0, 1, 0], VALUES), strict=True):
        np.testing.assert_array_equal(smoother(t, [0], one(r)).rotation, one(r).rotation)


@pytest.mark.parametrize(
    ("name", "may_be_0"), [("min_cutoff_hz", 0), ("beta", 1), ("sigma_usual_deg", 0), ("forget_s", 1)]
)
def test_settings_of_0(name: str, may_be_0: int) -> None:
    if may_be_0:
        PoseSmoother(**{name: 0.0})
        return
    with pytest.raises(InputError, match=f"{name} must be a number above 0"):
        PoseSmoother(**{name: 0.0})


@pytest.mark.parametrize("time_s", [-math.inf, math.inf, math.nan])
def test_a_time_that_is_not_finite(time_s: float) -> None:
    with pytest.raises(InputError, match="time_s"):
        PoseSmoother()(time_s, [0], one(np.eye(3)))


def test_a_step_back_begins_anew_and_so_does_the_next() -> None:
    smoother = PoseSmoother(min_cutoff_hz=0.01, beta=0.0)
    for back, angle in enumerate((0.0, 1.0, -1.0)):
        start = 10.0 - back
        first = one(about([0, 1, 0], [angle])[0])
        np.testing.assert_array_equal(smoother(start, [0], first).rotation, first.rotation)
        later = smoother(start + 0.1, [0], one(about([0, 1, 0], [angle + 0.5])[0]))
        assert g.geodesic_deg(later.rotation, first.rotation).max() < 1


@pytest.mark.parametrize("part", ["angles", "rotation"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("number", [0, 2])
def test_one_number_that_is_none_leaves_the_face_as_it_was(part: str, value: float, number: int) -> None:
    """A known face and a new one, each with one such number: both pass as they are, and neither is remembered so."""
    rotations = about([0, 1, 0], VALUES)
    smoother, undisturbed = PoseSmoother(), PoseSmoother()
    for at, (t, r) in enumerate(zip(TIMES, rotations, strict=True)):
        if at in (3, 4):
            broken = poses_of(np.stack([r, r]))
            for row in range(2):
                getattr(broken, part)[row].flat[number] = value
            given = broken.copy()
            out = smoother(t, [0, 1], broken)
            for name in ("angles", "rotation", "sigma"):
                np.testing.assert_array_equal(getattr(out, name), getattr(given, name))
            continue
        both = smoother(t, [0, 1], poses_of(np.stack([r, r])))
        alone = undisturbed(t, [0, 1], poses_of(np.stack([r, r])))
        np.testing.assert_array_equal(both.rotation, alone.rotation)
        assert np.isfinite(both.angles).all()


def test_a_new_face_whose_first_pose_is_none_starts_with_its_next() -> None:
    smoother = PoseSmoother()
    assert np.isnan(smoother(0.0, [5], one(np.full((3, 3), np.nan))).rotation).all()
    first = one(about([0, 1, 0], [0.7])[0])
    np.testing.assert_array_equal(smoother(0.1, [5], first).rotation, first.rotation)


def test_each_face_has_its_own_sigma_beside_new_ones() -> None:
    start, turned = np.eye(3), about([0, 1, 0], [0.5])[0]
    alone, beside = PoseSmoother(), PoseSmoother()
    for smoother in (alone, beside):
        smoother(0.0, [9], one(start))
    wanted = alone(0.1, [9], one(turned, 30.0))
    pair = poses_of(np.stack([start, turned]))
    pair.sigma[:] = [[1.0], [30.0]]
    out = beside(0.1, [3, 9], pair)
    np.testing.assert_array_equal(out.rotation[1], wanted.rotation[0])
    np.testing.assert_array_equal(out.rotation[0], pair.rotation[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.int64])
def test_integers_of_any_width_are_identities(dtype: type[np.integer]) -> None:
    smoother = PoseSmoother(min_cutoff_hz=0.01, beta=0.0)
    smoother(0.0, np.array([0, 200], dtype), poses_of(np.stack([np.eye(3)] * 2)))
    turned = about([0, 1, 0], [0.5])[0]
    out = smoother(0.1, np.array([200, 0], dtype), poses_of(np.stack([turned] * 2)))
    assert g.geodesic_deg(out.rotation, np.eye(3)).max() < 1  # both are known


@pytest.mark.parametrize(("ids", "fine"), [([0, 0], False), ([3, 3], False), ([-1, -1], True), ([-2, -2], True)])
def test_only_identities_must_be_unique(ids: list[int], fine: bool) -> None:
    pair = poses_of(np.stack([np.eye(3)] * 2))
    if fine:
        PoseSmoother()(0.0, ids, pair)
        return
    with pytest.raises(InputError, match="unique"):
        PoseSmoother()(0.0, ids, pair)


def test_of_two_equal_triples_the_one_near_the_pose_is_given() -> None:
    """Also where it is the one farther from 0."""
    smoother = PoseSmoother()
    for at in range(5):
        angles = np.float32([[30 + at, 170, 175]])
        rotation = g.rotation_from_euler(angles.astype(np.float64)).astype(np.float32)
        out = smoother(at / FPS, [0], Poses(angles, np.full((1, 3), np.nan, np.float32), rotation))
        np.testing.assert_allclose(out.angles, angles, atol=4)
