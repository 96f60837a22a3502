"""Mounting angles of a camera."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hpe_edge.attention.limits import checked_number
from hpe_edge.attention.neutral import NeutralPose
from hpe_edge.geometry import rotation_from_euler

_MOST = {"yaw_deg": 180.0, "pitch_deg": 90.0, "roll_deg": 180.0}


@dataclass(frozen=True)
class CameraMount:
    """Place of a camera around a person who looks straight ahead: the turn of the head that looks into the camera.

    Yaw is measured on a plan, pitch with a spirit level on the camera:

    - ``yaw_deg`` > 0: the camera stands to the person's right, which is the left of its picture.
    - ``pitch_deg`` > 0: it stands above the eyes and looks down by this angle.
    - ``roll_deg`` > 0: it is rolled clockwise, seen from behind it; upright heads look tilted anticlockwise.

    A camera on the A-pillar, 30 degrees to the driver's right, is ``CameraMount(30, 0, 0)``; one above the windscreen
    that looks 20 degrees down is ``CameraMount(0, 20, 0)``.

    The mount is a known neutral pose of all faces. It is exact for estimates with ``camera=``; without, a face away
    from the middle of the picture looks turned by its angle off the optical axis.

    Attributes:
        yaw_deg: angle from straight ahead to the camera about the vertical, -180 to 180 degrees.
        pitch_deg: angle of the optical axis to the horizontal, -90 to 90 degrees.
        roll_deg: angle about the optical axis, -180 to 180 degrees.

    Raises:
        InputError: not a number, or out of range.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            most = _MOST[field.name]
            value = checked_number(field.name, getattr(self, field.name), -most, most)
            object.__setattr__(self, field.name, value)  # the dataclass is frozen

    @property
    def rotation(self) -> NDArray[np.float64]:
        """float64 ``[3, 3]``, camera to scene: M = Ry(yaw) Rx(-pitch) Rz(roll).

        The scene's axes are those of a camera that a person who looks straight ahead looks into.
        """
        turns = ((self.yaw_deg, 0.0, 0.0), (0.0, self.pitch_deg, 0.0), (0.0, 0.0, self.roll_deg))
        yaw, pitch, roll = (rotation_from_euler(np.array(turn)) for turn in turns)
        return (yaw @ pitch @ roll).astype(np.float64)

    @property
    def neutral(self) -> NeutralPose:
        """Pose of a head that looks straight ahead: N = M^T."""
        return NeutralPose(self.rotation.T)
