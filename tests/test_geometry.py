"""geometry: round trips, agreement with the written-out factors, and what each sign means to a viewer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from hpe_edge import InputError
from hpe_edge import geometry as g

angle = st.floats(-180, 180)
yaw = st.floats(-89.9, 89.9)
component = st.floats(-1, 1)
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


@pytest.mark.parametrize("below", [0, 1e-7, 1e-5, 1e-4, 1e-3, 0.01, 0.1])
@pytest.mark.parametrize("side", [-1, 1])
def test_near_the_gimbal_the_angles_still_give_the_rotation_in_float32(
    rng: np.random.Generator, side: int, below: float
) -> None:
    angles = rng.uniform(-180, 180, (200, 3))
    angles[:, 0] = side * (90 - below)
    rotation = g.rotation_from_euler(angles).astype(np.float32)
    # Products leave a rounding error of one size in all nine numbers, the smallest too.
    other = g.rotation_from_euler([[20, 30, 40]]).astype(np.float32)
    rotation = np.swapaxes(other, -1, -2) @ (other @ rotation)
    again = g.rotation_from_euler(g.euler_from_rotation(rotation))
    # Float32 knows the sine of an angle near 90 degrees to 6e-8, which is 0.02 degrees of the angle.
    assert g.geodesic_deg(rotation, again).max() < 0.05


@given(y=angle, p=angle, r=angle)
def test_the_nearer_triple_is_the_one_that_was_asked_about(y: float, p: float, r: float) -> None:
    wanted = g.wrap_deg([y, p, r])
    if abs(abs(y) - 90) < 0.1:
        return
    np.testing.assert_allclose(
        g.difference_deg(g.euler_near(g.rotation_from_euler(wanted), wanted), wanted), 0, atol=1e-6
    )


@pytest.mark.parametrize("turn", [-20.0, 20.0])
@pytest.mark.parametrize("y", [-170, -110, -91, -80, 0, 75, 89, 100, 150])
def test_a_small_turn_does_not_fold_yaw(y: float, turn: float) -> None:
    """A face from behind, or one that is turned past 90 degrees, stays at pitch and roll 0."""
    turned = reference.ry(turn) @ g.rotation_from_euler([y, 0, 0])
    np.testing.assert_allclose(g.difference_deg(g.euler_near(turned, [y, 0, 0]), [y + turn, 0, 0]), 0, atol=1e-9)


@given(y=yaw, p=angle, r=angle)
def test_label_matrices_are_products_of_their_factors_and_back(y: float, p: float, r: float) -> None:
    factors = {
        "ZYX": reference.rz(r) @ reference.ry(y) @ reference.rx(p),
        "XYZ": reference.rx(p) @ reference.ry(y) @ reference.rz(r),
    }
    for order, product in factors.items():
        np.testing.assert_allclose(g.matrix_from_labels([y, p, r], order), product, atol=1e-12)
        np.testing.assert_allclose(g.wrap_deg(g.labels_from_matrix(product, order) - [y, p, r]), 0, atol=1e-6)


@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_zxy_is_the_product_of_its_factors_and_back(y: float, p: float, r: float) -> None:
    turned = g.rotation_from_zxy([y, p, r])
    np.testing.assert_allclose(turned, reference.rz(r) @ reference.rx(-p) @ reference.ry(y), atol=1e-12)
    np.testing.assert_allclose(g.wrap_deg(g.zxy_from_rotation(turned) - [y, p, r]), 0, atol=1e-6)


@given(st.floats(-180, 180), st.floats(-80, 80), st.floats(-90, 90), st.floats(-90, 90))
def test_turning_the_picture_adds_to_the_roll_of_zxy_alone(y: float, p: float, r: float, turn: float) -> None:
    turned = g.zxy_from_rotation(reference.rz(turn) @ g.rotation_from_zxy([y, p, r]))
    np.testing.assert_allclose(g.wrap_deg(turned - [y, p, r + turn]), 0, atol=1e-6)


@pytest.mark.parametrize("order", ["ZYX", "XYZ"])
@pytest.mark.parametrize("y", [-90, 90])
def test_label_matrices_at_the_gimbal(order: str, y: float) -> None:
    matrix = g.matrix_from_labels([y, 25, 10], order)
    labels = g.labels_from_matrix(matrix, order)
    assert labels[2] == 0
    assert g.geodesic_deg(g.matrix_from_labels(labels, order), matrix) < 1e-4


def test_a_label_matrix_of_no_known_order() -> None:
    with pytest.raises(InputError, match="ZYX or XYZ, got 'xyz'"):
        g.matrix_from_labels([0, 0, 0], "xyz")
    with pytest.raises(InputError, match="ZYX or XYZ"):
        g.labels_from_matrix(np.eye(3), "YXZ")


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


@pytest.mark.parametrize("turn", [0, 1e-300, 1e-160, 1e-12, 1e-6, 0.1, 1, 3, 3.14159265, np.pi - 1e-9, np.pi])
@given(x=component, y=component, z=component)
def test_rotation_vectors_round_trip_from_0_to_180_degrees(turn: float, x: float, y: float, z: float) -> None:
    length = np.linalg.norm([x, y, z])
    if length < 1e-3:
        return
    rotvec = np.array([x, y, z]) / length * turn
    rotation = g.rotation_from_rotvec(rotvec)
    np.testing.assert_allclose(rotation, cv2.Rodrigues(rotvec)[0], atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
    q = g.quaternion_from_rotvec(rotvec)
    assert abs(np.linalg.norm(q) - 1) < 1e-14 and q[0] >= 0
    for back in (g.rotvec_from_quaternion(q), g.rotvec_from_quaternion(-2 * q), g.rotvec_from_rotation(rotation)):
        if turn < np.pi - 1e-8:
            # A matrix holds a turn below 1e-160 as no turn at all.
            np.testing.assert_allclose(back, rotvec, rtol=1e-9, atol=1e-15)
        else:
            assert min(np.linalg.norm(back - rotvec), np.linalg.norm(back + rotvec)) < 1e-7


@given(x=st.floats(-30, 30), y=st.floats(-30, 30), z=st.floats(-30, 30))
def test_rotation_vectors_of_many_turns(x: float, y: float, z: float) -> None:
    rotvec = np.array([x, y, z])
    rotation = g.rotation_from_rotvec(rotvec)
    np.testing.assert_allclose(rotation, cv2.Rodrigues(rotvec)[0], atol=1e-9)
    back = g.rotvec_from_rotation(rotation)
    assert np.linalg.norm(back) <= np.pi + 1e-9
    np.testing.assert_allclose(g.rotation_from_rotvec(back), rotation, atol=1e-9)


@given(y=angle, p=angle, r=angle)
def test_inverses(y: float, p: float, r: float) -> None:
    rotation = g.rotation_from_euler([y, p, r])
    q = g.quaternion_from_rotation(rotation)
    rotvec = g.rotvec_from_rotation(rotation)
    np.testing.assert_allclose(g.rotation_from_rotvec(-rotvec), rotation.T, atol=1e-9)
    np.testing.assert_allclose(g.rotation_from_quaternion(q * [1, -1, -1, -1]), rotation.T, atol=1e-9)
    # The inverse of the label triple's matrix in one order is the other order's of the negated triple.
    np.testing.assert_allclose(
        g.matrix_from_labels([y, p, r], "ZYX").T, g.matrix_from_labels([-y, -p, -r], "XYZ"), atol=1e-12
    )


def test_against_scipy(rng: np.random.Generator) -> None:
    transform = pytest.importorskip("scipy.spatial.transform", reason="compares with SciPy where it is installed")
    angles = rng.uniform(-180, 180, (500, 3))
    rotation = g.rotation_from_euler(angles)
    theirs = transform.Rotation.from_matrix(rotation)
    q = theirs.as_quat()[:, [3, 0, 1, 2]]
    np.testing.assert_allclose(g.quaternion_from_rotation(rotation), np.where(q[:, :1] < 0, -q, q), atol=1e-12)
    np.testing.assert_allclose(g.rotvec_from_rotation(rotation), theirs.as_rotvec(), atol=1e-9)
    np.testing.assert_allclose(
        g.geodesic_deg(rotation, rotation[::-1]),
        np.rad2deg((theirs.inv() * transform.Rotation.from_matrix(rotation[::-1])).magnitude()),
        atol=1e-5,
    )
    # Capital letters are turns about the axes that turn along.
    signed = transform.Rotation.from_euler("XYZ", angles[:, [1, 0, 2]] * [-1, 1, 1], degrees=True)
    np.testing.assert_allclose(rotation, signed.as_matrix(), atol=1e-12)
    for order, columns in (("ZYX", [2, 0, 1]), ("XYZ", [1, 0, 2])):
        labels = transform.Rotation.from_euler(order, angles[:, columns], degrees=True).as_matrix()
        np.testing.assert_allclose(g.matrix_from_labels(angles, order), labels, atol=1e-12)


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
    assert g.rotvec_from_rotation(np.zeros((0, 3, 3))).shape == (0, 3)
    assert g.euler_near(np.zeros((0, 3, 3)), angles).shape == (0, 3)
    many = np.random.default_rng(0).uniform(-80, 80, (4, 5, 3)).astype(np.float32)
    rotation = g.rotation_from_euler(many)
    assert rotation.shape == (4, 5, 3, 3) and rotation.dtype == np.float32
    quaternion = g.quaternion_from_rotation(rotation)
    rotvec = g.rotvec_from_quaternion(quaternion)
    for back in (
        rotation,
        g.rotation_from_quaternion(quaternion),
        g.rotation_from_rotvec(rotvec),
        g.rotation_from_quaternion(g.quaternion_from_rotvec(rotvec)),
        g.rotation_from_rotvec(g.rotvec_from_rotation(rotation)),
    ):
        assert back.dtype == np.float32
        np.testing.assert_allclose(g.euler_from_rotation(back), many, atol=1e-3)
    for order in ("ZYX", "XYZ"):
        labels = g.labels_from_matrix(g.matrix_from_labels(many, order), order)
        np.testing.assert_allclose(labels, many, atol=1e-3)
        assert labels.dtype == np.float32
    assert g.euler_near(rotation, many).dtype == g.wrap_deg(many).dtype == g.difference_deg(many, many).dtype
    assert g.euler_near(rotation, many).dtype == np.float32


def test_single_values_keep_float32() -> None:
    rotation = np.eye(3, dtype=np.float32)
    for values in (
        g.euler_from_rotation(rotation),
        g.euler_near(rotation, np.zeros(3, np.float32)),
        g.quaternion_from_rotation(rotation),
        g.rotvec_from_rotation(rotation),
        g.labels_from_matrix(rotation, "ZYX"),
    ):
        assert values.dtype == np.float32


def test_nan_passes_through() -> None:
    angles = np.array([[np.nan, 0, 0], [10, 0, 0]])
    rotation = g.rotation_from_euler(angles)
    q = g.quaternion_from_rotation(rotation)
    assert np.isnan(q[0]).all() and np.isfinite(q[1]).all()
    assert np.isnan(g.geodesic_deg(rotation, rotation)[0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("place", range(9))
def test_one_nan_in_a_rotation_is_nan_throughout(place: int) -> None:
    rotation = np.stack([np.eye(3), np.eye(3)])
    rotation[0].flat[place] = np.nan
    for values in (
        g.euler_from_rotation(rotation),
        g.euler_near(rotation, np.zeros((2, 3))),
        g.quaternion_from_rotation(rotation),
        g.rotvec_from_rotation(rotation),
        g.labels_from_matrix(rotation, "ZYX"),
        g.labels_from_matrix(rotation, "XYZ"),
        g.rotation_from_rotvec(rotation[:, place // 3]),
    ):
        assert np.isnan(values[0]).all() and np.isfinite(values[1]).all()


@pytest.mark.parametrize(("angle_deg", "want"), [(180, -180), (-180, -180), (190, -170), (-541, 179), (0, 0)])
def test_wrap(angle_deg: float, want: float) -> None:
    assert g.wrap_deg(angle_deg) == want


@given(st.floats(-1e4, 1e4), st.sampled_from([np.float64, np.float32]))
def test_wrapped_angles_are_in_range_and_the_same_direction(angle_deg: float, dtype: type) -> None:
    given_angle = np.array([angle_deg, np.nextafter(dtype(-180), dtype(-200))], dtype)
    wrapped = g.wrap_deg(given_angle)
    assert wrapped.dtype == dtype
    assert (wrapped >= -180).all() and (wrapped < 180).all()
    turns = (given_angle.astype(np.float64) - wrapped) / 360
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-8 if dtype == np.float64 else 1e-5)


@given(st.floats(-720, 720), st.floats(-720, 720))
def test_difference_goes_the_shorter_way(a: float, b: float) -> None:
    difference = g.difference_deg(a, b)
    assert -180 <= difference < 180
    chord = np.abs(np.exp(1j * np.deg2rad(a)) - np.exp(1j * np.deg2rad(b)))
    np.testing.assert_allclose(2 * np.sin(np.deg2rad(np.abs(difference)) / 2), chord, atol=1e-9)
    assert g.difference_deg(10, 350) == 20 and g.difference_deg(350, 10) == -20
