"""Angles, rotations, quaternions and rotation vectors: the only Python module that defines conventions.

Angles are degrees in the labels' convention of 300W-LP / AFLW2000: yaw > 0, the face turns to the left of the image;
pitch > 0, it looks up; roll > 0, it tilts clockwise in the image. Rotations take the head to OpenCV's camera frame (x
right, y down, z away from the camera) and are the identity for a face that looks straight into the camera:
R = Rx(-pitch) Ry(yaw) Rz(roll). Quaternions are w x y z with w >= 0. Rotation vectors are the axis times the angle in
radians, 0 to pi long, as in OpenCV and SciPy.

All functions take any leading shape and keep float32; anything else is computed in float64. NaN in, NaN out.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError

FloatArray = NDArray[np.floating]
LabelOrder = Literal["ZYX", "XYZ"]

GIMBAL_RAD = 1e-3  # nearer than this to |yaw| = 90 degrees, pitch and roll are not unique


def rotation_from_euler(angles_deg: ArrayLike) -> FloatArray:
    """Convert Euler angles to rotations.

    Args:
        angles_deg: ``[..., 3]`` yaw, pitch, roll in degrees.

    Returns:
        ``[..., 3, 3]``, R = Rx(-pitch) Ry(yaw) Rz(roll); float64 unless the angles are float32.
    """
    angles = np.deg2rad(_floating(angles_deg))
    (sy, sp, sr), (cy, cp, cr) = np.moveaxis(np.sin(angles), -1, 0), np.moveaxis(np.cos(angles), -1, 0)
    rows = [
        [cy * cr, -cy * sr, sy],
        [cp * sr - sp * sy * cr, cp * cr + sp * sy * sr, sp * cy],
        [-sp * sr - cp * sy * cr, -sp * cr + cp * sy * sr, cp * cy],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def euler_from_rotation(rotation: ArrayLike) -> FloatArray:
    """Convert rotations to Euler angles, yaw within [-90, 90].

    A head turned past 90 degrees gets pitch and roll near 180, which is the same rotation; see :func:`euler_near`. At
    the gimbal (see :func:`near_gimbal`) only the sum or difference of pitch and roll is defined; there roll is 0.

    Roll is computed from Rx(pitch) R = Ry(yaw) Rz(roll), so that it compensates an ill-conditioned pitch near the
    gimbal: the three angles reproduce R everywhere.

    Args:
        rotation: ``[..., 3, 3]``.

    Returns:
        ``[..., 3]`` yaw, pitch, roll in degrees.
    """
    r = _floating(rotation)
    cy = np.hypot(r[..., 0, 0], r[..., 0, 1])
    yaw = np.arctan2(r[..., 0, 2], cy)
    locked = cy < 1e-6
    pitch = np.where(locked, np.arctan2(-r[..., 2, 1], r[..., 1, 1]), np.arctan2(r[..., 1, 2], r[..., 2, 2]))
    sp, cp = np.sin(pitch), np.cos(pitch)
    roll = np.arctan2(cp * r[..., 1, 0] - sp * r[..., 2, 0], cp * r[..., 1, 1] - sp * r[..., 2, 1])
    angles = np.rad2deg(np.stack([yaw, pitch, np.where(locked, 0.0, roll)], axis=-1))
    # A NaN may be in an entry that the angles do not use.
    lost = np.asarray(np.isnan(r).any(axis=(-2, -1)))
    return np.where(lost[..., None], np.nan, angles).astype(r.dtype)


def euler_near(rotation: ArrayLike, angles_deg: ArrayLike) -> FloatArray:
    """Convert rotations to Euler angles; of the two equivalent triples, take the one nearer to ``angles_deg``.

    (yaw, pitch, roll) and (180 - yaw, pitch + 180, roll + 180) are one rotation. After a small turn of known angles,
    this keeps a head turned past 90 degrees of yaw at pitch and roll near 0.

    Args:
        rotation: ``[..., 3, 3]``.
        angles_deg: ``[..., 3]`` yaw, pitch, roll in degrees. The distance is the sum of the three differences.

    Returns:
        ``[..., 3]`` yaw, pitch, roll in degrees, within [-180, 180].
    """
    first = euler_from_rotation(rotation)
    second = _other_triple(first)
    far_first, far_second = (np.abs(difference_deg(one, angles_deg)).sum(axis=-1) for one in (first, second))
    return np.where((far_second < far_first)[..., None], second, first)


def euler_full_yaw(rotation: ArrayLike) -> FloatArray:
    """Convert rotations to Euler angles, pitch within [-90, 90] and yaw within [-180, 180].

    No head nods by more than 90 degrees, so a head turned past 90 degrees of yaw keeps its yaw; compare
    :func:`euler_from_rotation`.

    Args:
        rotation: ``[..., 3, 3]``.

    Returns:
        ``[..., 3]`` yaw, pitch, roll in degrees.
    """
    first = euler_from_rotation(rotation)
    return np.where(np.abs(first[..., 1:2]) > 90, _other_triple(first), first)


def _other_triple(angles: FloatArray) -> FloatArray:
    """The other Euler angles ``[..., 3]`` of the same rotations, within [-180, 180]."""
    return wrap_deg(np.asarray([180, 180, 180], angles.dtype) + angles * np.asarray([-1, 1, 1], angles.dtype))


def rotation_from_zxy(angles_deg: ArrayLike) -> FloatArray:
    """Convert angles of the turns roll, pitch, yaw to rotations.

    Args:
        angles_deg: ``[..., 3]`` yaw, pitch, roll in degrees; not the labels' triple.

    Returns:
        ``[..., 3, 3]``, R = Rz(roll) Rx(-pitch) Ry(yaw).
    """
    yaw, pitch, roll = np.moveaxis(_floating(angles_deg), -1, 0)
    zero = np.zeros_like(yaw)
    turned, nodded = (rotation_from_euler(np.stack(each, axis=-1)) for each in ((yaw, pitch, zero), (zero, zero, roll)))
    return nodded @ turned


def zxy_from_rotation(rotation: ArrayLike) -> FloatArray:
    """Convert rotations to the angles of :func:`rotation_from_zxy`, yaw within [-180, 180] and pitch within [-90, 90].

    They are unique except where the face looks straight up or down. A turn of the picture by a degrees clockwise adds a
    to roll and changes nothing else.

    Args:
        rotation: ``[..., 3, 3]``.

    Returns:
        ``[..., 3]`` yaw, pitch, roll in degrees.
    """
    r = _floating(rotation)
    yaw = np.arctan2(-r[..., 2, 0], r[..., 2, 2])
    pitch = np.arctan2(-r[..., 2, 1], np.hypot(r[..., 2, 0], r[..., 2, 2]))
    roll = np.arctan2(-r[..., 0, 1], r[..., 1, 1])
    angles: FloatArray = np.rad2deg(np.stack([yaw, pitch, roll], axis=-1))
    return angles


def near_gimbal(angles_deg: ArrayLike) -> NDArray[np.bool_]:
    """Mask ``[...]`` of angles ``[..., 3]`` with |yaw| within 1e-3 rad of 90 degrees: pitch and roll are not unique."""
    yaw = np.abs(_floating(angles_deg)[..., 0])
    near: NDArray[np.bool_] = np.abs(np.mod(yaw, 180.0) - 90.0) <= np.rad2deg(GIMBAL_RAD)
    return near


def matrix_from_labels(angles_deg: ArrayLike, order: LabelOrder) -> FloatArray:
    """Encode label triples as the rotation matrices of another model family; these are not R.

    Args:
        angles_deg: ``[..., 3]`` yaw, pitch, roll in degrees.
        order: ``"ZYX"``: Rz(roll) Ry(yaw) Rx(pitch), as 6DRepNet and similar networks train on (Hempel et al., 2022,
            arXiv:2202.12555). ``"XYZ"``: Rx(pitch) Ry(yaw) Rz(roll), intrinsic turns about x, y, z.

    Returns:
        ``[..., 3, 3]``.

    Raises:
        InputError: another order.
    """
    # Rz(r) Ry(y) Rx(p) is the transpose of Rx(-p) Ry(-y) Rz(-r), so one formula serves all.
    angles = _floating(angles_deg)
    matrix = rotation_from_euler(angles * _label_signs(order, angles.dtype))
    return np.swapaxes(matrix, -1, -2) if order == "ZYX" else matrix


def labels_from_matrix(matrix: ArrayLike, order: LabelOrder) -> FloatArray:
    """Decode the label triples of another family's matrices, yaw within [-90, 90]; inverts :func:`matrix_from_labels`.

    At yaw = +-90 degrees roll is 0.

    Args:
        matrix: ``[..., 3, 3]``.
        order: see :func:`matrix_from_labels`.

    Returns:
        ``[..., 3]`` yaw, pitch, roll in degrees.

    Raises:
        InputError: another order.
    """
    m = _floating(matrix)
    signs = _label_signs(order, m.dtype)
    return signs * euler_from_rotation(np.swapaxes(m, -1, -2) if order == "ZYX" else m)


def quaternion_from_rotation(rotation: ArrayLike) -> FloatArray:
    """Convert rotations ``[..., 3, 3]`` to unit quaternions w x y z, w >= 0, ``[..., 4]``.

    Source: Shepperd, 1978: of the four formulas, the one with the largest divisor.
    """
    r = _floating(rotation)
    m00, m11, m22 = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    squares = np.stack([1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], axis=-1)
    a, b, c = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    d, e, f = r[..., 1, 0] + r[..., 0, 1], r[..., 0, 2] + r[..., 2, 0], r[..., 2, 1] + r[..., 1, 2]
    sw, sx, sy, sz = np.moveaxis(squares, -1, 0)
    candidates = np.stack(
        [
            np.stack([sw, a, b, c], axis=-1),
            np.stack([a, sx, d, e], axis=-1),
            np.stack([b, d, sy, f], axis=-1),
            np.stack([c, e, f, sz], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(squares, axis=-1)
    chosen = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    unit = chosen / np.linalg.norm(chosen, axis=-1, keepdims=True)
    positive: FloatArray = np.where(unit[..., :1] < 0, -unit, unit)
    return positive


def rotation_from_quaternion(quaternion: ArrayLike) -> FloatArray:
    """Convert quaternions w x y z ``[..., 4]``, normalised first, to rotations ``[..., 3, 3]``."""
    q = _floating(quaternion)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_rotvec(rotvec_rad: ArrayLike) -> FloatArray:
    """Convert rotation vectors ``[..., 3]`` of any length to unit quaternions w x y z, w >= 0, ``[..., 4]``."""
    v = _floating(rotvec_rad)
    half = np.linalg.norm(v, axis=-1, keepdims=True) / 2
    # sin(half) / half, which is 1 at 0
    q = np.concatenate([np.cos(half), v * np.sinc(half / np.pi) / 2], axis=-1).astype(v.dtype)
    return np.where(q[..., :1] < 0, -q, q)


def rotvec_from_quaternion(quaternion: ArrayLike) -> FloatArray:
    """Convert quaternions w x y z ``[..., 4]``, normalised first, to rotation vectors ``[..., 3]``.

    The arc tangent of both parts is accurate near 0 and near 180 degrees. At 180 degrees an axis and its opposite are
    the same rotation; either may be returned.
    """
    q = _floating(quaternion)
    q = np.where(q[..., :1] < 0, -q, q) / np.linalg.norm(q, axis=-1, keepdims=True)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., :1])
    rotvec: FloatArray = (q[..., 1:] * (angle / np.where(sine == 0, 1, sine))).astype(q.dtype)
    return rotvec


def rotation_from_rotvec(rotvec_rad: ArrayLike) -> FloatArray:
    """Convert rotation vectors ``[..., 3]`` to rotations ``[..., 3, 3]``; for one vector equal to ``cv2.Rodrigues``."""
    return rotation_from_quaternion(quaternion_from_rotvec(rotvec_rad))


def rotvec_from_rotation(rotation: ArrayLike) -> FloatArray:
    """Convert rotations ``[..., 3, 3]`` to rotation vectors ``[..., 3]``; see :func:`rotvec_from_quaternion`."""
    return rotvec_from_quaternion(quaternion_from_rotation(rotation))


def geodesic_deg(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Return the angle ``[...]`` of the rotation between ``a`` and ``b`` (``[..., 3, 3]``), 0 to 180 degrees.

    Computed from the chord ||A - B||, which is accurate for tiny angles; the arc cosine of the trace is not below 0.03
    degrees in float32.
    """
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    chord = np.linalg.norm(difference, axis=(-2, -1))
    angle: FloatArray = np.rad2deg(2.0 * np.arcsin(np.clip(chord / np.sqrt(8.0), 0.0, 1.0)))
    return angle


def wrap_deg(angle_deg: ArrayLike) -> FloatArray:
    """Wrap angles into [-180, 180)."""
    # The mod of a number just below 0 rounds to 360; a second mod makes that 0.
    wrapped: FloatArray = np.mod(np.mod(_floating(angle_deg) + 180.0, 360.0), 360.0) - 180.0
    return wrapped


def difference_deg(a_deg: ArrayLike, b_deg: ArrayLike) -> FloatArray:
    """Return the difference a - b wrapped into [-180, 180) degrees."""
    return wrap_deg(np.subtract(_floating(a_deg), _floating(b_deg)))


def _label_signs(order: LabelOrder, dtype: np.dtype[np.floating]) -> FloatArray:
    signs = {"ZYX": (-1, 1, -1), "XYZ": (1, -1, 1)}.get(order)
    if signs is None:
        raise InputError(f"order must be ZYX or XYZ, got {order!r}")
    return np.array(signs, dtype)


def _floating(values: ArrayLike) -> FloatArray:
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64)
