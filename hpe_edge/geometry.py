"""Angles, rotations and quaternions: the one place in Python for conventions.

Angles are degrees in the labels' convention of 300W-LP / AFLW2000: yaw > 0, the face turns to the left of the image;
pitch > 0, it looks up; roll > 0, it tilts clockwise in the image. Rotations take the head to OpenCV's camera frame (x
right, y down, z away from the camera) and are the identity for a face that looks straight into the camera:
R = Rx(-pitch) Ry(yaw) Rz(roll). Quaternions are w x y z with w >= 0. All functions take any leading shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.floating]

GIMBAL_RAD = 1e-3  # nearer than this to |yaw| = 90 degrees, pitch and roll are not unique


def rotation_from_euler(angles_deg: ArrayLike) -> FloatArray:
    """Rotations of Euler angles.

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
    """Euler angles of rotations, yaw within [-90, 90].

    A head turned past 90 degrees is said by pitch and roll near 180, which is the same rotation. At the gimbal (see
    :func:`near_gimbal`) only pitch and roll together are known; there roll is 0.

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
    roll = np.where(locked, 0.0, np.arctan2(-r[..., 0, 1], r[..., 0, 0]))
    angles: FloatArray = np.rad2deg(np.stack([yaw, pitch, roll], axis=-1)).astype(r.dtype)
    return angles


def near_gimbal(angles_deg: ArrayLike) -> NDArray[np.bool_]:
    """Whether pitch and roll are not unique, ``[...]`` for angles ``[..., 3]``: |yaw| within 1e-3 rad of 90 degrees."""
    yaw = np.abs(_floating(angles_deg)[..., 0])
    near: NDArray[np.bool_] = np.abs(np.mod(yaw, 180.0) - 90.0) <= np.rad2deg(GIMBAL_RAD)
    return near


def quaternion_from_rotation(rotation: ArrayLike) -> FloatArray:
    """Unit quaternions w x y z, w >= 0, of rotations ``[..., 3, 3]``; ``[..., 4]``. NaN in, NaN out.

    Source: Shepperd, 1978: of the four ways to divide, the one with the largest divisor.
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
    """Rotations ``[..., 3, 3]`` of quaternions w x y z ``[..., 4]``, which are normalised first."""
    q = _floating(quaternion)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def geodesic_deg(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Angle of the rotation between ``a`` and ``b`` (``[..., 3, 3]``), 0 to 180 degrees.

    Computed from the chord ||A - B||, which keeps its digits for tiny angles; the arc cosine of the trace loses them
    below 0.03 degrees in float32.
    """
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    chord = np.linalg.norm(difference, axis=(-2, -1))
    angle: FloatArray = np.rad2deg(2.0 * np.arcsin(np.clip(chord / np.sqrt(8.0), 0.0, 1.0)))
    return angle


def wrap_deg(angle_deg: ArrayLike) -> FloatArray:
    """Angles brought into [-180, 180)."""
    wrapped: FloatArray = np.mod(_floating(angle_deg) + 180.0, 360.0) - 180.0
    return wrapped


def _floating(values: ArrayLike) -> FloatArray:
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64)
