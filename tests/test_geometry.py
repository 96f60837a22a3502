"""geometry: round trips, agreement with the written-out factors, and what each sign means to a viewer."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from hpe_edge import geometry as g

angle = st.floats(-180, 180)
yaw = st.floats(-89.9, 89.9)
NOSE = np.array([0.0, 0.0, -1.0])  # identity looks into the camera, which looks along +z
CROWN = np.array([0.0, -1.0, 0.0])


def test_signs_as_a_viewer_sees_them() -> None:
    left = g.rotation_from_euler([40, 0, 0]) @ NOSE
    up = g.rotation_from_euler([0, 40, 0]) @ NOSE
    clockwise = g.rotation_from_euler([0, 0, 40]) @ CROWN
    assert left[0] < -0.6 and abs(left[1]) < 1e-12
    assert up[1] < -0.6 and abs(up[0]) < 1e-12
    assert clockwise[0] > 0.6 and clockwise[1] < 0


@given(y=yaw, p=angle, r=angle)
def test_euler_is_the_product_of_its_factors_and_back(y: float, p: float, r: float) -> None:
    rotation = g.rotation_from_euler([y, p, r])
    np.testing.assert_allclose(rotation, reference.rotation(y, p, r), atol=1e-12)
    back = g.euler_from_rotation(rotation)
    np.testing.assert_allclose(g.wrap_deg(back - [y, p, r]), 0, atol=1e-6)


@given(y=st.floats(-180, 180), p=angle, r=angle)
def test_any_euler_triple_survives_as_a_rotation(y: float, p: float, r: float) -> None:
    rotation = g.rotation_from_euler([y, p, r])
    again = g.rotation_from_euler(g.euler_from_rotation(rotation))
    assert g.geodesic_deg(rotation, again) < 1e-4


@given(y=angle, p=angle, r=angle)
def test_quaternions_round_trip(y: float, p: float, r: float) -> None:
    rotation = g.rotation_from_euler([y, p, r])
    q = g.quaternion_from_rotation(rotation)
    assert abs(np.linalg.norm(q) - 1) < 1e-12
    assert q[0] >= 0
    np.testing.assert_allclose(g.rotation_from_quaternion(q), rotation, atol=1e-9)
    np.testing.assert_allclose(g.rotation_from_quaternion(-3 * q), rotation, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_turns_have_a_quaternion(axis: int) -> None:
    rotation = -np.eye(3)
    rotation[axis, axis] = 1
    want = np.zeros(4)
    want[1 + axis] = 1
    np.testing.assert_allclose(np.abs(g.quaternion_from_rotation(rotation)), want, atol=1e-12)


@given(y=angle, p=angle, r=angle, turn=st.floats(1e-5, 179))
def test_geodesic_is_the_angle_between(y: float, p: float, r: float, turn: float) -> None:
    rotation = g.rotation_from_euler([y, p, r])
    axis = g.rotation_from_euler([p, r, y])
    turned = rotation @ axis @ reference.rz(turn) @ axis.T
    np.testing.assert_allclose(g.geodesic_deg(rotation, turned), turn, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(g.geodesic_deg(turned, rotation), turn, rtol=1e-6, atol=1e-9)


def test_geodesic_of_the_same_and_the_opposite() -> None:
    assert g.geodesic_deg(np.eye(3), np.eye(3)) == 0
    assert abs(g.geodesic_deg(np.eye(3), np.diag([1.0, -1, -1])) - 180) < 1e-5


def test_gimbal_is_named_and_only_there() -> None:
    near = np.rad2deg(1e-3)
    angles = np.array([[90, 1, 2], [-90, 0, 0], [90 - near / 2, 0, 0], [-90 + near * 2, 0, 0], [0, 90, 90]])
    np.testing.assert_array_equal(g.near_gimbal(angles), [True, True, True, False, False])
    locked = g.rotation_from_euler([90, 25, 10])
    assert g.geodesic_deg(locked, g.rotation_from_euler(g.euler_from_rotation(locked))) < 1e-4
    assert g.euler_from_rotation(locked)[2] == 0


def test_shapes_and_dtypes() -> None:
    angles = np.zeros((0, 3), np.float32)
    assert g.rotation_from_euler(angles).shape == (0, 3, 3)
    assert g.quaternion_from_rotation(np.zeros((0, 3, 3))).shape == (0, 4)
    many = np.random.default_rng(0).uniform(-80, 80, (4, 5, 3)).astype(np.float32)
    rotation = g.rotation_from_euler(many)
    assert rotation.shape == (4, 5, 3, 3) and rotation.dtype == np.float32
    assert g.euler_from_rotation(rotation).dtype == np.float32
    np.testing.assert_allclose(g.euler_from_rotation(rotation), many, atol=1e-3)


def test_nan_passes_through() -> None:
    angles = np.array([[np.nan, 0, 0], [10, 0, 0]])
    rotation = g.rotation_from_euler(angles)
    q = g.quaternion_from_rotation(rotation)
    assert np.isnan(q[0]).all() and np.isfinite(q[1]).all()
    assert np.isnan(g.geodesic_deg(rotation, rotation)[0])


@pytest.mark.parametrize(("angle_deg", "want"), [(180, -180), (-180, -180), (190, -170), (-541, 179), (0, 0)])
def test_wrap(angle_deg: float, want: float) -> None:
    assert g.wrap_deg(angle_deg) == want
