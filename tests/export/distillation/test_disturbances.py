"""Disturbances of views: each does what its name says, and only when it is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from export.distillation import disturbances
from export.distillation.disturbances import DISTURBANCES, blurred, coarser, compressed, darker, disturbed, noisy

SIDE = 96
SHARES = ("_LOW", "_BLUR", "_STREAK", "_DARK", "_SIDE_LIGHT", "_GREY", "_NOISE", "_JPEG", "_HIDE")
DEVIATIONS = ("_CONTRAST", "_BRIGHTNESS", "_GAMMA", "_TINT")


def flat(*bgr: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), bgr, np.uint8)


def busy() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def drawn(image: np.ndarray, *kinds: str, seed: int = 1) -> np.ndarray:
    """The image with the named changes alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SHARES:
            patch.setattr(disturbances, f"{name}_SHARE", float(name in kinds))
        for name in DEVIATIONS:
            patch.setattr(disturbances, name, float(name in kinds) * getattr(disturbances, name))
        return disturbed(image, np.random.default_rng(seed))


def test_without_a_change_the_image_stays() -> None:
    np.testing.assert_array_equal(drawn(busy()), busy())


@pytest.mark.parametrize("kind", ["_LOW", "_BLUR", "_STREAK"])
@pytest.mark.parametrize("seed", range(4))
def test_blurs_smooth_and_keep_the_mean(kind: str, seed: int) -> None:
    found = drawn(busy(), kind, seed=seed)
    assert found.std() < 0.8 * busy().std()
    assert found.mean() == pytest.approx(busy().mean(), abs=3)


@pytest.mark.parametrize("seed", range(6))
def test_a_streak_lies_along_one_line(seed: int) -> None:
    point = flat(0, 0, 0)
    point[SIDE // 2, SIDE // 2] = 255
    y, x = np.nonzero(drawn(point, "_STREAK", seed=seed)[..., 0])
    along, across = sorted(np.linalg.svd(np.stack([x - x.mean(), y - y.mean()]), compute_uv=False), reverse=True)
    assert len(x) >= 3 and across < 0.35 * along


@pytest.mark.parametrize("seed", range(4))
def test_the_dark_takes_a_share_of_all_levels(seed: int) -> None:
    found = drawn(flat(200, 100, 50), "_DARK", seed=seed)[0, 0] / np.array([200, 100, 50])
    assert np.ptp(found) < 0.02 and found.min() > 0.11 and found.max() < 0.61


@pytest.mark.parametrize("seed", range(4))
def test_side_light_is_a_gradient_of_the_logarithm(seed: int) -> None:
    logs = np.log(drawn(flat(100, 100, 100), "_SIDE_LIGHT", seed=seed)[..., 0] / 100.0)
    steps = [np.diff(logs, axis=axis).mean() for axis in (0, 1)]
    plane = (np.arange(SIDE)[:, None] - (SIDE - 1) / 2) * steps[0] + (np.arange(SIDE) - (SIDE - 1) / 2) * steps[1]
    np.testing.assert_allclose(logs, plane, atol=0.03)
    assert 0 < np.hypot(*steps) * (SIDE - 1) / 2 < 0.72


def test_grey_has_no_colour_and_its_tint_has_one() -> None:
    found = drawn(busy(), "_GREY")
    assert (found == found[..., :1]).all()
    tinted = drawn(flat(100, 100, 100), "_TINT")[0, 0]
    assert len(set(tinted.tolist())) > 1 and (np.abs(tinted / 100.0 - 1) < 0.4).all()


def test_a_rectangle_is_hidden() -> None:
    for seed in range(4):
        changed = (drawn(flat(9, 99, 199), "_HIDE", seed=seed) != (9, 99, 199)).any(axis=2)
        y, x = np.nonzero(changed)
        sides = np.ptp(y) + 1, np.ptp(x) + 1
        assert changed.sum() == sides[0] * sides[1]
        assert all(0.08 * SIDE < side <= 0.4 * SIDE for side in sides)


def test_contrast_keeps_the_middle_and_brightness_moves_it() -> None:
    ramp = np.repeat(np.linspace(20, 200, SIDE).astype(np.uint8)[:, None, None], SIDE, axis=1).repeat(3, axis=2)
    found = drawn(ramp, "_CONTRAST")[:, 0, 0].astype(float)
    slope, start = np.polyfit(ramp[:, 0, 0], found, 1)
    assert slope * 110 + start == pytest.approx(110, abs=1) and abs(slope - 1) > 0.02
    shift = drawn(ramp, "_BRIGHTNESS").astype(int) - ramp
    assert np.ptp(shift) <= 1 and shift.mean() != 0


def test_the_same_draws_give_the_same_image_and_the_given_one_is_left_alone() -> None:
    given = busy()
    one, two, other = (disturbed(given, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    np.testing.assert_array_equal(given, busy())


def test_a_point_blurs_to_a_gaussian_of_its_share() -> None:
    point = np.zeros((201, 201, 3), np.uint8)
    point[97:104, 97:104] = 255  # 7 wide: a variance of 4
    weight = blurred(point, 0.04)[..., 0].astype(float)
    at = np.arange(201) - 100
    assert (weight.sum(axis=0) @ at**2) / weight.sum() == pytest.approx(4 + 8.04**2, rel=0.1)


def test_noise_has_its_deviation(rng: np.random.Generator) -> None:
    assert (noisy(flat(128, 128, 128), 12.0, rng).astype(float) - 128).std() == pytest.approx(12, rel=0.03)
    assert noisy(flat(1, 254, 128), 12.0, rng)[..., 0].max() < 100  # no level wraps around


def test_levels_and_resolution_and_jpeg() -> None:
    np.testing.assert_array_equal(darker(flat(200, 100, 50), 0.3), flat(60, 30, 15))
    stripes = flat(0, 0, 0)
    stripes[:, ::2] = 254
    assert np.ptp(coarser(stripes, 0.25)) <= 2
    wide = flat(0, 0, 0)
    wide[:, SIDE // 2 :] = 254
    assert np.ptp(coarser(wide, 0.25)) == 254
    near, far = (np.abs(compressed(busy(), quality).astype(int) - busy()).mean() for quality in (95, 20))
    assert near < far


@pytest.mark.parametrize("name", DISTURBANCES)
def test_disturbances_that_judge_change_the_image_alike_each_time(name: str) -> None:
    one, two = (DISTURBANCES[name](busy(), np.random.default_rng(2)) for _ in range(2))
    assert one.shape == (SIDE, SIDE, 3) and one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)
    assert (one != busy()).mean() > 0.5
