"""Poses: what the engine says about N faces, as a struct of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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

    The arrays belong to this object alone. A face that the model answers with NaN is NaN throughout; its neighbours are
    not touched.
    """

    __slots__ = ("angles", "rotation", "sigma")

    def __init__(self, angles: Float32Array, sigma: Float32Array, rotation: Float32Array) -> None:
        self.angles = angles
        self.sigma = sigma
        self.rotation = rotation

    @classmethod
    def empty(cls, count: int) -> Poses:
        """Room for ``count`` faces, not yet filled."""
        return cls(
            np.empty((count, 3), np.float32), np.empty((count, 3), np.float32), np.empty((count, 3, 3), np.float32)
        )

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
