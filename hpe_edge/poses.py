"""Poses of N faces as a struct of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.geometry import near_gimbal, quaternion_from_rotation

Float32Array = NDArray[np.float32]


class Poses:
    """Poses of N faces, in the order of their boxes.

    Attributes:
        angles: float32 ``[N, 3]``: yaw, pitch, roll in degrees. Yaw > 0: the face turns to the left of the image;
            pitch > 0: it looks up; roll > 0: it tilts clockwise in the image.
        sigma: float32 ``[N, 3]``: standard deviation of each angle's distribution in degrees; NaN where the model's
            head has no distribution.
        rotation: float32 ``[N, 3, 3]``: head to OpenCV's camera frame, R = Rx(-pitch) Ry(yaw) Rz(roll).

    The arrays belong to this object. A face with a NaN in the network's output is NaN throughout; others are not
    affected.
    """

    # Checked once, here: decode writes into these arrays without another check.
    __slots__ = ("_angles", "_rotation", "_sigma")

    def __init__(self, angles: Float32Array, sigma: Float32Array, rotation: Float32Array) -> None:
        """Wrap arrays of the shapes above.

        Raises:
            InputError: one is not a writeable, C-contiguous float32 array, or they do not fit each other.
        """
        count = len(angles)
        self._angles = _checked("angles", angles, (count, 3))
        self._sigma = _checked("sigma", sigma, (count, 3))
        self._rotation = _checked("rotation", rotation, (count, 3, 3))

    @classmethod
    def empty(cls, count: int) -> Poses:
        """Allocate uninitialised poses of ``count`` faces."""
        poses = cls.__new__(cls)
        poses._angles = np.empty((count, 3), np.float32)
        poses._sigma = np.empty((count, 3), np.float32)
        poses._rotation = np.empty((count, 3, 3), np.float32)
        return poses

    def part(self, start: int, stop: int) -> Poses:
        """Return a view of the faces from ``start`` to before ``stop``."""
        poses = Poses.__new__(Poses)
        poses._angles = self._angles[start:stop]
        poses._sigma = self._sigma[start:stop]
        poses._rotation = self._rotation[start:stop]
        return poses

    @property
    def angles(self) -> Float32Array:
        """float32 ``[N, 3]``: yaw, pitch, roll in degrees."""
        return self._angles

    @property
    def sigma(self) -> Float32Array:
        """float32 ``[N, 3]``: standard deviations of yaw, pitch, roll in degrees."""
        return self._sigma

    @property
    def rotation(self) -> Float32Array:
        """float32 ``[N, 3, 3]``: head to camera."""
        return self._rotation

    @property
    def yaw(self) -> Float32Array:
        """float32 ``[N]``, degrees."""
        return self.angles[:, 0]

    @property
    def pitch(self) -> Float32Array:
        """float32 ``[N]``, degrees."""
        return self.angles[:, 1]

    @property
    def roll(self) -> Float32Array:
        """float32 ``[N]``, degrees."""
        return self.angles[:, 2]

    @property
    def quaternion(self) -> Float32Array:
        """float32 ``[N, 4]``: w x y z with w >= 0, of ``rotation``."""
        return quaternion_from_rotation(self.rotation).astype(np.float32)

    @property
    def gimbal(self) -> NDArray[np.bool_]:
        """bool ``[N]``: |yaw| is within 1e-3 rad of 90 degrees, so pitch and roll are not unique; use ``rotation``."""
        return near_gimbal(self.angles)

    def __len__(self) -> int:
        return len(self.angles)

    def __repr__(self) -> str:
        rows = ", ".join(f"(yaw {y:.1f}, pitch {p:.1f}, roll {r:.1f})" for y, p, r in self.angles[:4])
        return f"Poses({len(self)}: {rows}{', ...' if len(self) > 4 else ''})"


def _checked(name: str, array: Float32Array, shape: tuple[int, ...]) -> Float32Array:
    flags = array.flags
    if array.shape != shape or array.dtype != np.float32 or not flags.c_contiguous or not flags.writeable:
        raise InputError(
            f"{name} must be a writeable, C-contiguous float32 array {shape}, got {array.dtype} {array.shape}"
        )
    return array
