"""geometry where formulas change: at the gimbal, at half turns, at ties, in float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import reference

from hpe_edge import geometry as g

MILLIRADIAN_DEG = math.degrees(1e-3)


@pytest.mark.parametrize("center", [90.0, -90.0, 270.0, -270.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_gimbal_is_a_milliradian_wide(center: float, side: int) -> None:
    near = [center + side * share * MILLIRADIAN_DEG for share in (0.0, 0.7, 0.999, 1.001, 1.5, 30.0)]
    angles = np.stack([near, np.zeros(6), np.zeros(6)], axis=-1)
    assert g.near_gimbal(angles).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize("below_deg", [1e-3, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("side", [-1, 1])
def test_beside_the_gimbal_all_three_angles_are_found(below_deg: float, side: int) -> None:
    angles = [side * (90 - below_deg), 10.0, 20.0]
    np.testing.assert_allclose(g.euler_from_rotation(g.rotation_from_euler(angles)), angles, atol=1e-7)


@pytest.mark.parametrize("below_deg", [0.0, 1e-7, 5e-6])
@pytest.mark.parametrize("side", [-1, 1])
def test_at_the_gimbal_roll_is_0_and_the_rotation_is_kept(below_deg: float, side: int) -> None:
    rotation = g.rotation_from_euler([side * (90 - below_deg), 10.0, 20.0])
    found = g.euler_from_rotation(rotation)
    assert found[2] == 0
    assert g.geodesic_deg(g.rotation_from_euler(found), rotation) < 1e-4


def test_yaw_is_exact_close_to_90_degrees() -> None:
    for yaw in (89.9999, -89.9999):
        assert g.euler_from_rotation(g.rotation_from_euler([yaw, 3, 4]))[0] == pytest.approx(yaw, abs=1e-11)


@pytest.mark.parametrize("entry", [(row, column) for row in range(3) for column in range(3)])
def test_a_nan_in_any_entry_loses_all_angles(entry: tuple[int, int]) -> None:
    rotations = np.stack([np.eye(3)] * 2)
    rotations[(0, *entry)] = np.nan
    found = g.euler_from_rotation(rotations)
    assert np.isnan(found[0]).all() and (found[1] == 0).all()


@pytest.mark.parametrize(
    ("near", "wanted"),
    [
        ([90, 90, 90], [0, 0, 0]),  # as far from both triples: the first
        ([100, 100, 80], [-180, -180, -180]),  # 280 against 260 in sum, and 100 each at most
        ([100, 100, 0], [0, 0, 0]),
        ([-170, 175, -178], [-180, -180, -180]),  # across 180 degrees
    ],
)
def test_the_nearer_triple_is_by_the_sum_of_the_differences(near: list[float], wanted: list[float]) -> None:
    assert g.euler_near(np.eye(3), near).tolist() == wanted


@pytest.mark.parametrize(
    "angles", [[10, 85, 3], [10, -85, 3], [10, 90, 0], [170, 5, 3], [170, -5, 3], [-100, 60, -40], [135, 89, 7]]
)
def test_full_yaw_keeps_nods_of_up_to_90_degrees(angles: list[float]) -> None:
    found = g.euler_full_yaw(g.rotation_from_euler(angles))
    np.testing.assert_allclose(found, angles, atol=1e-6)


def test_zxy_at_steep_nods_behind_the_camera() -> None:
    for angles in ([170.0, 80.0, 5.0], [-95.0, -85.0, 30.0], [90.0, 45.0, 0.0]):
        np.testing.assert_allclose(g.zxy_from_rotation(g.rotation_from_zxy(angles)), angles, atol=1e-6)


@pytest.mark.parametrize("angle_deg", [1e-6, 1e-4, 0.03, 1.0, 90.0, 179.0, 179.999, 180.0])
def test_the_angle_between_rotations_from_tiny_to_half_turns(angle_deg: float) -> None:
    start = reference.rotation(20, 30, 40)
    turned = start @ reference.rz(angle_deg)
    assert g.geodesic_deg(start, turned) == pytest.approx(angle_deg, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize(
    ("angle", "wanted"),
    [
        (-180.0, -180.0),
        (180.0, -180.0),
        (float(np.nextafter(-180, -181)), -180.0),
        (179.999999, 179.999999),
        (540.0, -180.0),
        (-540.0, -180.0),
        (359.0, -1.0),
    ],
)
def test_wrapped_angles_are_below_180(angle: float, wanted: float) -> None:
    assert -180 <= g.wrap_deg(angle) < 180
    assert g.wrap_deg(angle) == pytest.approx(wanted, abs=1e-9)
    assert g.difference_deg(angle, 0.0) == g.wrap_deg(angle)


FUNCTIONS: list[tuple[Callable[..., np.ndarray], np.ndarray]] = [
    (g.rotation_from_euler, np.array([10, 20, 30])),
    (g.euler_from_rotation, np.eye(3)),
    (lambda r: g.euler_near(r, np.zeros(3, r.dtype)), np.eye(3)),
    (g.euler_full_yaw, np.eye(3)),
    (g.rotation_from_zxy, np.array([10, 20, 30])),
    (g.zxy_from_rotation, np.eye(3)),
    (lambda a: g.matrix_from_labels(a, "ZYX"), np.array([10, 20, 30])),
    (lambda m: g.labels_from_matrix(m, "XYZ"), np.eye(3)),
    (g.quaternion_from_rotation, np.eye(3)),
    (g.rotation_from_quaternion, np.array([1, 0, 0, 0])),
    (g.quaternion_from_rotvec, np.array([1, 2, 3])),
    (g.rotvec_from_quaternion, np.array([1, 2, 3, 4])),
    (g.rotation_from_rotvec, np.array([1, 2, 3])),
    (g.rotvec_from_rotation, np.eye(3)),
    (g.wrap_deg, np.array([190])),
]


@pytest.mark.parametrize(("function", "values"), FUNCTIONS)
def test_float32_stays_and_all_else_is_float64(function: Callable[..., np.ndarray], values: np.ndarray) -> None:
    assert function(values.astype(np.float32)).dtype == np.float32
    for dtype in (np.float64, np.float16, np.int64, np.int32):
        assert function(values.astype(dtype)).dtype == np.float64


@pytest.mark.parametrize("turn", [1e-9, 1e-5, 1e-3, 1.0, 3.0])
def test_rotation_vectors_of_quaternions_of_any_sign_and_length(turn: float) -> None:
    axis = np.array([1.0, 2.0, -2.0]) / 3
    quaternion = np.array([math.cos(turn / 2), *(math.sin(turn / 2) * axis)])
    for factor in (1.0, -1.0, 5.0, -0.2):
        found = g.rotvec_from_quaternion(factor * quaternion)
        np.testing.assert_allclose(found, turn * axis, rtol=1e-9, atol=1e-15)
