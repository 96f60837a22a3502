"""The gate's figures, limits and report."""

from __future__ import annotations

import numpy as np
import pytest

from export.gate.comparison import ONNX_LIMITS, Limits
from export.gate.gate import check_reference, compare, select
from hpe_edge.errors import ModelError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import Poses


def poses(angles_deg):
    angles = np.asarray(angles_deg, np.float32).reshape(-1, 3)
    rotation = rotation_from_euler(angles.astype(np.float64)).astype(np.float32)
    return Poses(angles, np.zeros_like(angles), rotation)


def report(reference, candidate, limits=ONNX_LIMITS):
    return compare(poses(reference), poses(candidate), compared="a with b", source="test", limits=limits)


def test_figures_are_geodesic_degrees_and_per_angle():
    reference = np.zeros((100, 3))
    candidate = reference.copy()
    candidate[0, 0] = 2.0  # one face, 2 degrees of yaw
    found = report(reference, candidate)
    assert found.rows["all crops"].mean_deg == pytest.approx(0.02, abs=1e-5)
    assert found.rows["all crops"].worst_deg == pytest.approx(2.0, abs=1e-4)
    assert found.rows["all crops"].p99_deg == pytest.approx(np.percentile(np.r_[np.zeros(99), 2.0], 99), abs=1e-4)
    assert found.rows["yaw"].worst_deg == pytest.approx(2.0, abs=1e-5)
    assert found.rows["pitch"].worst_deg == 0
    assert found.rows["roll"].worst_deg == 0


def test_the_tail_and_the_worst_are_named_by_crop_and_kind():
    moved = np.zeros((2000, 3))
    moved[:4, 0] = [1.0, 5.0, 2.0, 3.0]
    kinds, names = ["dark", "plain"] * 1000, [f"{i}.webp" for i in range(2000)]
    found = compare(
        poses(0 * moved), poses(moved), compared="", source="", limits=Limits(p999_deg=1.9), names=names, kinds=kinds
    )
    assert found.rows["all crops"].p999_deg == pytest.approx(np.percentile(np.abs(moved[:, 0]), 99.9), abs=1e-4)
    assert found.failures == ("p99.9 2.001 degrees, allowed 1.9",)
    assert found.rows["dark"].worst_deg == pytest.approx(2, abs=1e-4)
    assert found.rows["plain"].worst_deg == pytest.approx(5, abs=1e-4)
    assert found.worst.labels[:4] == ("1.webp", "3.webp", "2.webp, dark", "0.webp, dark")
    assert found.worst.distance_deg[:3] == pytest.approx([5, 3, 2], abs=1e-4)
    assert "1.webp: (0, 0, 0) became (5, 0, 0)" in found.table()


def test_rotation_decides_and_not_the_three_angles_alone():
    # 1 degree of each of two angles is more than 1 degree of rotation.
    found = report([[0, 0, 0]], [[0, 1, 1]])
    assert found.rows["all crops"].worst_deg == pytest.approx(np.sqrt(2), abs=1e-3)


def test_angles_are_compared_across_180_degrees():
    found = report([[0, 179.99, 0]], [[0, -179.99, 0]], Limits(worst_deg=0.1))
    assert found.rows["pitch"].worst_deg == pytest.approx(0.02, abs=1e-4)
    assert found.passed


def test_bands_by_the_reference_yaw():
    yaw = np.array([0, -29.9, 30, -60, 60.1, -80.0])
    reference = np.stack([yaw, 0 * yaw, 0 * yaw], axis=1)
    found = report(reference, reference)
    assert [found.rows[band].crops for band in ("|yaw| < 30", "|yaw| 30..60", "|yaw| > 60")] == [2, 2, 2]
    frontal = report(reference[:2], reference[:2])
    assert "|yaw| > 60" not in frontal.rows


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        (Limits(), True),
        (Limits(worst_deg=0.51), True),
        (Limits(worst_deg=0.49), False),
        (Limits(mean_deg=0.06, p99_deg=0.3), False),
        (Limits(mean_deg=0.04), False),
        (Limits(mean_deg=0.06), True),
    ],
)
def test_each_limit_fails_by_itself(limits, passes):
    reference = np.zeros((10, 3))
    candidate = reference.copy()
    candidate[3, 1] = 0.5
    found = report(reference, candidate, limits)
    assert found.passed is passes
    assert ("passed" in found.table()) is passes
    assert ("FAILED" in found.line()) is not passes


@pytest.mark.parametrize("broken", ["reference", "candidate"])
def test_nan_fails_whatever_the_limits(broken):
    good, bad = np.zeros((4, 3)), np.zeros((4, 3))
    bad[2] = np.nan
    pair = (bad, good) if broken == "reference" else (good, bad)
    found = report(*pair, Limits())
    assert not found.passed
    assert f"1 of 4 crops are NaN in the {broken}" in found.failures[0]


def test_result_and_table():
    found = report(np.zeros((3, 3)), np.full((3, 3), 0.005))
    result = found.result()
    assert (result.compared, result.source, result.faces) == ("a with b", "test", 3)
    assert result.worst_deg == found.rows["all crops"].worst_deg
    assert result.limits == {"worst_deg": 0.01}
    table = found.table()
    assert "hundredths of a degree" in table
    assert "0.500" in table  # 0.005 degrees
    for text in (table, found.line()):
        assert "hundredths of a degree" in text
        assert "(limit: worst 1, that is 0.01 degrees)" in text


def test_each_limit_is_said_in_both_units():
    found = report(np.zeros((3, 3)), np.zeros((3, 3)), Limits(mean_deg=0.05, worst_deg=0.3))
    assert "(limit: mean 5, that is 0.05 degrees; worst 30, that is 0.3 degrees)" in found.line()


def test_a_reference_must_answer_and_not_always_the_same():
    angles = np.zeros((4, 3))
    angles[:, 1] = [0, 0.1, 0, 0.1]
    check_reference(poses(angles), "the unchanged file")
    with pytest.raises(ModelError, match=r"\(the unchanged file\) gives one pose for all faces"):
        check_reference(poses(angles / 10), "the unchanged file")
    angles[2, 0] = np.nan
    with pytest.raises(ModelError, match=r"\(the unchanged file\) gives NaN"):
        check_reference(poses(angles), "the unchanged file")


def test_select_takes_rows():
    some = select(poses([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), np.array([2, 0]))
    assert some.yaw.tolist() == [7, 1]


def doubted(angles_deg, sigma_deg):
    """Poses with a limit of 16 degrees; ``sigma_deg`` is that of all three angles of each."""
    known = poses(angles_deg)
    sigma = np.repeat(np.asarray(sigma_deg, np.float32)[:, None], 3, axis=1)
    return Poses(known.angles, sigma, known.rotation, max_sigma=16.0)


@pytest.mark.parametrize(("before", "after", "passes"), [(20, 20, True), (20, 10, False), (10, 20, False)])
def test_limits_spare_crops_that_both_models_doubt_and_no_others(before, after, passes):
    moved = np.zeros((4, 3))
    moved[1, 0], moved[2, 0] = 90.0, 3.0
    found = compare(
        doubted(0 * moved, [1, before, 1, 1]),
        doubted(moved, [1, after, 1, 1]),
        compared="",
        source="",
        limits=Limits(worst_deg=5),
    )
    assert found.passed is passes
    assert found.rows["all crops"].worst_deg == pytest.approx(90, abs=1e-3)
    assert found.worst.distance_deg[0] == pytest.approx(3 if passes else 90, abs=1e-3)
    assert found.result().worst_deg == pytest.approx(3 if passes else 90, abs=1e-3)
    if passes:
        assert (found.rows["confident"].crops, found.rows["doubtful"].crops) == (3, 1)
        assert found.rows["doubtful"].worst_deg == pytest.approx(90, abs=1e-3)


@pytest.mark.parametrize(("doubtful", "passes"), [(2, True), (3, False), (5, False)])
def test_where_more_than_half_are_doubtful_all_are_limited(doubtful, passes):
    moved, sigma = np.zeros((5, 3)), np.ones(5)
    moved[0, 0], sigma[:doubtful] = 9.0, 20.0
    limits = Limits(worst_deg=5)
    found = compare(doubted(0 * moved, sigma), doubted(moved, sigma), compared="", source="", limits=limits)
    assert found.passed is passes and ("confident" in found.rows) is passes


def test_nan_is_no_doubt():
    reference = doubted(np.zeros((3, 3)), [20, 20, 1])
    candidate = doubted([[0, 0, 0], [np.nan] * 3, [0, 0, 0]], [20, np.nan, 1])
    assert not compare(reference, candidate, compared="", source="", limits=Limits(worst_deg=5)).passed


def marked(landmarks, visibility=None):
    """Poses of the same angles with these landmarks [N, L, 2]."""
    points = np.asarray(landmarks, np.float32)
    seen = None if visibility is None else np.asarray(visibility, np.float32)
    plain = poses(np.zeros((len(points), 3)))
    return Poses(*plain.arrays, landmarks=points, visibility=seen)


def compare_marked(reference, candidate, limits=ONNX_LIMITS):
    return compare(reference, candidate, compared="a with b", source="test", limits=limits)


def test_landmarks_are_judged_as_fractions_of_the_box():
    still, moved = np.zeros((50, 4, 2)), np.zeros((50, 4, 2))
    moved[7, 2] = [0.03, 0.04]
    found = compare_marked(marked(still), marked(moved), Limits(landmarks_mean=0.001, landmarks_worst=0.04))
    assert found.landmarks.landmarks_worst == pytest.approx(0.05, abs=1e-6)
    assert found.landmarks.landmarks_mean == pytest.approx(0.05 / 200, abs=1e-8)
    assert found.failures == ("landmarks worst 5 % of the box's side, allowed 4",)
    assert "landmarks: mean 0.025, p99 0.000, worst 5.000 % of the box's side" in found.table()
    result = found.result()
    assert result.landmarks_worst == pytest.approx(0.05, abs=1e-6)
    assert result.limits == {"landmarks_mean": 0.001, "landmarks_worst": 0.04}
    assert compare_marked(marked(still), marked(moved), Limits(landmarks_worst=0.06)).passed


def test_landmarks_lost_on_one_side_fail_at_any_limit():
    whole, lost = np.zeros((3, 2, 2)), np.zeros((3, 2, 2))
    lost[1, 1, 0] = np.nan
    assert not compare_marked(marked(whole), marked(lost), Limits(landmarks_mean=9.0)).passed
    assert compare_marked(marked(lost), marked(lost)).passed


def test_visibility_is_compared_by_its_decision():
    seen, other = np.full((4, 5), 0.6), np.full((4, 5), 0.6)
    other[0, 0], other[1, :2] = 0.9, 0.4
    found = compare_marked(marked(np.zeros((4, 5, 2)), seen), marked(np.zeros((4, 5, 2)), other))
    assert found.landmarks.changed == pytest.approx(0.1)
    assert "visibility of 10.00 % changed" in found.table()


def test_models_without_landmarks_have_no_figures_of_them():
    found = report(np.zeros((2, 3)), np.zeros((2, 3)))
    assert found.landmarks is None and "landmarks" not in found.table()
    assert found.result().limits == {"worst_deg": 0.01} and found.result().landmarks_mean is None
