"""The gate's own limits: an error just below each passes, one just above fails, in degrees that are written here."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import numpy as np
import pytest

from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Comparison, GateFailed, Limits
from export.gate.gate import check_reference, compare, poses_of, sigma_change
from hpe_edge.errors import ModelError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import Poses

CROPS = 10_000
ANY = Limits()


def poses(angles_deg: object, sigma_deg: object = 0.0, max_sigma: float = math.inf) -> Poses:
    angles = np.asarray(angles_deg, np.float32).reshape(-1, 3)
    sigma = np.broadcast_to(np.asarray(sigma_deg, np.float32), angles.shape).copy()
    return Poses(angles, sigma, rotation_from_euler(angles.astype(np.float64)).astype(np.float32), max_sigma=max_sigma)


def moved(errors_deg: np.ndarray, limits: Limits) -> Comparison:
    """Compare crops with the same, pitched by the errors."""
    angles = np.zeros((len(errors_deg), 3))
    other = angles.copy()
    other[:, 1] = errors_deg
    return compare(poses(angles), poses(other), compared="a with b", source="test", limits=limits)


def all_of(error_deg: float) -> np.ndarray:
    return np.full(CROPS, error_deg)


def share_of(error_deg: float, share: float) -> np.ndarray:
    """An error of a share of the crops, and none of the others."""
    errors = np.zeros(CROPS)
    errors[: round(share * CROPS)] = error_deg
    return errors


def one_of(error_deg: float) -> np.ndarray:
    return share_of(error_deg, 1 / CROPS)


@pytest.mark.parametrize(
    ("limits", "figure", "degrees", "errors"),
    [
        (ONNX_LIMITS, "worst", 0.01, one_of),
        (FP16_LIMITS, "mean", 0.05, all_of),
        (FP16_LIMITS, "worst", 0.3, one_of),
        (INT8_LIMITS, "mean", 1.0, all_of),
        (INT8_LIMITS, "p99.9", 2.5, lambda degrees: share_of(degrees, 0.002)),
        (INT8_LIMITS, "worst", 5.0, one_of),
        # The default of p99.9 is lower, so that of p99 decides where the user allows more in the tail.
        (Limits(p999_deg=9.0, worst_deg=9.0).over(INT8_LIMITS), "p99", 3.0, lambda degrees: share_of(degrees, 0.02)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_just_below_passes_and_just_above_fails(limits, figure, degrees, errors) -> None:
    below, above = (moved(errors(share * degrees), limits) for share in (0.99, 1.01))
    assert below.passed and below.failures == ()
    assert not above.passed
    assert [failure.split()[0] for failure in above.failures] == [figure]


def test_no_other_figure_is_limited() -> None:
    assert astuple(ONNX_LIMITS)[:4] == (None, None, None, 0.01)
    assert astuple(FP16_LIMITS)[:4] == (0.05, None, None, 0.3)
    assert astuple(INT8_LIMITS)[:4] == (1.0, 3.0, 2.5, 5.0)


def test_a_limit_that_is_met_exactly_passes_and_0_is_a_limit() -> None:
    found = moved(one_of(1.0), ANY)
    worst = found.rows["all crops"].worst_deg
    assert moved(one_of(1.0), Limits(worst_deg=worst)).passed
    assert not moved(one_of(1.0), Limits(worst_deg=float(np.nextafter(worst, 0)))).passed
    assert not moved(one_of(1.0), Limits(mean_deg=0.0)).passed
    assert moved(one_of(0.0), Limits(mean_deg=0.0, worst_deg=0.0)).passed
    assert moved(one_of(1.0), Limits(mean_deg=0.0)).result().limits == {"mean_deg": 0.0}


def test_limits_of_ones_own_replace_the_defaults_one_by_one() -> None:
    assert Limits(worst_deg=9.0).over(INT8_LIMITS) == replace(INT8_LIMITS, worst_deg=9.0)
    assert Limits(mean_deg=0.0).over(FP16_LIMITS) == replace(FP16_LIMITS, mean_deg=0.0)


def test_figures_are_those_of_numpy() -> None:
    errors = np.random.default_rng(0).gamma(0.5, 1.0, CROPS)
    found = moved(errors, ANY).rows["all crops"]
    assert found.crops == CROPS
    got = [found.mean_deg, found.p99_deg, found.p999_deg, found.worst_deg]
    wanted = [errors.mean(), *np.percentile(errors, [99, 99.9]), errors.max()]
    assert got == pytest.approx(wanted, abs=1e-4)


def test_a_failed_gate_has_its_exit_status_and_names_what_failed() -> None:
    error = GateFailed(moved(one_of(1.0), ONNX_LIMITS), "try this")
    assert error.exit_status == 3 and "worst 1 degrees, allowed 0.01" in str(error)


def doubtful_pair(doubted: int, errors_deg: np.ndarray, *, also: int | None = None) -> Comparison:
    """Compare crops of which the first ``doubted`` are doubtful in both, or the first ``also`` in the candidate."""
    count = len(errors_deg)
    angles, other = np.zeros((count, 3)), np.zeros((count, 3))
    other[:, 1] = errors_deg
    sigma, other_sigma = np.zeros((count, 3)), np.zeros((count, 3))
    sigma[:doubted] = 30
    other_sigma[: doubted if also is None else also] = 30
    return compare(
        poses(angles, sigma, 20.0),
        poses(other, other_sigma, 20.0),
        compared="",
        source="",
        limits=Limits(worst_deg=1.0),
    )


def test_crops_that_both_doubt_are_not_judged() -> None:
    errors = np.zeros(10)
    errors[0] = 40.0
    found = doubtful_pair(2, errors)
    assert found.passed and found.judged.crops == 8 and found.result().faces == 8 and found.result().worst_deg == 0
    assert found.rows["doubtful"].worst_deg == pytest.approx(40, abs=1e-3)
    assert found.worst.rows[0] != 0  # those judged come first


@pytest.mark.parametrize(("reference", "candidate"), [(2, 0), (0, 2)])
def test_crops_that_one_doubts_are_judged(reference: int, candidate: int) -> None:
    errors = np.zeros(10)
    errors[0] = 40.0
    assert not doubtful_pair(reference, errors, also=candidate).passed


def test_half_of_the_crops_may_be_doubtful_and_no_more() -> None:
    errors = np.zeros(10)
    errors[0] = 40.0
    assert doubtful_pair(5, errors).passed
    more = doubtful_pair(6, errors)
    assert not more.passed and more.judged.crops == 10


@pytest.mark.parametrize("which", ["reference", "candidate"])
@pytest.mark.parametrize("part", ["angles", "rotation"])
def test_a_nan_in_one_number_of_a_doubtful_crop_fails(which: str, part: str) -> None:
    pair = {name: poses(np.zeros((10, 3)), 0.0, 20.0) for name in ("reference", "candidate")}
    for each in pair.values():
        each.sigma[:2] = 30
    getattr(pair[which], part)[0].flat[1] = np.nan
    found = compare(**pair, compared="", source="", limits=ANY)
    assert [failure.partition(":")[0] for failure in found.failures] == [f"1 of 10 crops are NaN in the {which}"]
    assert found.judged.crops == 9  # that crop among them


def test_a_nan_crop_is_the_worst() -> None:
    other = np.zeros((20, 3))
    other[3], other[7] = 50.0, np.nan
    found = compare(poses(np.zeros((20, 3))), poses(other), compared="", source="", limits=ANY)
    assert found.worst.rows[:2].tolist() == [7, 3] and len(found.worst.rows) == 12


def test_bands_begin_and_end_where_the_reference_says() -> None:
    yaw = np.array([0, -29.9, 30, 32, -60, 60.1, 65, -80.0])
    reference = np.stack([yaw, 0 * yaw, 0 * yaw], axis=1)
    found = compare(poses(reference), poses(0 * reference), compared="", source="", limits=ANY)
    assert [found.rows[band].crops for band in ("|yaw| < 30", "|yaw| 30..60", "|yaw| > 60")] == [2, 3, 3]


def test_a_reference_is_constant_only_where_all_angles_are() -> None:
    angles = np.zeros((4, 3))
    angles[:, 2] = [0, 0.03, 0, 0.03]  # a spread of 0.015
    check_reference(poses(angles), "x")
    angles[:, 2] = [0, 0.018, 0, 0.018]
    with pytest.raises(ModelError, match="one pose"):
        check_reference(poses(angles), "x")


def test_the_change_of_sigma_is_the_median_of_the_ratios() -> None:
    sigma = np.full((5, 3), 10.0)
    other = sigma.copy()
    other[:, 1] = [11, 11, 11, 5, 90]
    assert sigma_change(poses(np.zeros((5, 3)), sigma), poses(np.zeros((5, 3)), other)) == pytest.approx([0, 0.1, 0])
    assert np.isnan(sigma_change(poses(np.zeros((5, 3)), np.nan), poses(np.zeros((5, 3)), other))).all()
    assert np.isnan(sigma_change(poses(np.zeros((5, 3)), sigma), poses(np.zeros((5, 3)), np.nan))).all()


def test_few_crops_are_run_in_the_asked_batch_and_doubt_is_the_specs() -> None:
    from tiny_model import tiny_spec

    from hpe_edge.spec import SigmaCalibration

    seen = []

    def run(crops: np.ndarray) -> list[np.ndarray]:
        seen.append(len(crops))
        return [np.zeros((len(crops), 198), np.float32)]

    spec = replace(tiny_spec(), sigma=SigmaCalibration(1, 1, 1, 30, "test", True, limit_deg=20.0))
    found = poses_of(run, spec, np.zeros((3, 3, 64, 64), np.float32), 8)
    assert seen == [8] and len(found) == 3 and found.doubtful.all()  # uniform bins have a sigma of 57 degrees
    assert not poses_of(run, tiny_spec(), np.zeros((3, 3, 64, 64), np.float32), 2).doubtful.any()
    assert seen == [8, 2, 1]
