"""Attention of a frame's faces: poses relative to the neutral pose, zones and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ZoneEvent:
    """A person left or came back.

    Attributes:
        id: of the person.
        zone: left: the watched zone where the person was last, None if never in one. Returned: the zone the person is
            in now. Lost: the last zone, if any.
        kind: ``"left"``: outside of all watched zones for ``after_s``. ``"returned"``: after that, inside for
            ``back_s``. ``"lost"``: no known pose for ``lost_s``.
        time_s: of the frame with which the event is certain.
        outside_s: left: seconds outside so far. Returned: seconds outside in all. Lost: seconds without a known pose.
    """

    id: int
    zone: str | None
    kind: Literal["left", "returned", "lost"]
    time_s: float
    outside_s: float


@dataclass(frozen=True)
class Attention:
    """Attention of a frame's N faces, in the order of their poses.

    Attributes:
        angles: float32 ``[N, 3]``: yaw, pitch, roll in degrees relative to the neutral pose; NaN while it is not known,
            and for a pose that is NaN. Yaw > 0: the head is turned to the person's right, which is the left of the
            picture; pitch > 0: it looks up; roll > 0: it tilts clockwise in the picture.
        rotation: float32 ``[N, 3, 3]``: head to neutral head.
        zones: name of each face's zone; None outside of all zones, while the neutral pose is not known, and for a pose
            that is doubtful for longer than ``hold_s``.
        events: of the frame.
        progress: float32 ``[N]``: share of the time that a neutral pose is learned for; 1 when it is known.
        spread_deg: float32 ``[N]``: of learned neutral poses, see :class:`hpe_edge.NeutralPose`; NaN otherwise.
    """

    angles: NDArray[np.float32]
    rotation: NDArray[np.float32]
    zones: tuple[str | None, ...]
    events: tuple[ZoneEvent, ...]
    progress: NDArray[np.float32]
    spread_deg: NDArray[np.float32]
