"""Attention of people: relative poses, zones and events, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.attention.attention import Attention, ZoneEvent
from hpe_edge.attention.learner import NeutralLearner
from hpe_edge.attention.mount import CameraMount
from hpe_edge.attention.neutral import NeutralPose, relative_angles, relative_rotation
from hpe_edge.attention.zone import Zone
from hpe_edge.attention.zone_watch import ZoneWatch
from hpe_edge.errors import InputError
from hpe_edge.poses import Poses

Neutral = NeutralPose | NeutralLearner | CameraMount | ArrayLike


class AttentionMeter:
    """Measures the attention of tracked faces; one for each video or camera.

    >>> meter = AttentionMeter(NeutralLearner(20.0, per="mount"), load_zones("car.json"), after_s=2.0)
    >>> attention = meter(frame.time_s, poses)
    >>> attention.angles, attention.zones, attention.events

    All limits are in seconds and degrees, so they hold for any frame rate. A step back in time, as in a looped file,
    resets the learned poses and the zones.
    """

    def __init__(
        self,
        neutral: Neutral | None = None,
        zones: Iterable[Zone] = (),
        *,
        after_s: float = 2.0,
        back_s: float = 0.5,
        margin_deg: float = 3.0,
        hold_s: float = 1.0,
        lost_s: float | None = None,
    ) -> None:
        """
        Args:
            neutral: pose of a head that looks straight ahead: a rotation ``[3, 3]``, three angles yaw, pitch, roll in
                degrees, a :class:`NeutralPose`, the camera's :class:`CameraMount`, or a :class:`NeutralLearner`. None:
                people who look straight ahead look into the camera.
            zones: of relative yaw and pitch; where they overlap, the first is the zone.
            after_s: time outside of all watched zones after which an event "left" comes.
            back_s: time inside one after which "returned" comes, and a shorter stay does not end the time outside.
            margin_deg: a zone is left only beyond this distance from it.
            hold_s: time for which a doubtful pose or a missing face keeps its zone.
            lost_s: time without a known pose after which an event "lost" comes, and the person starts anew; None: no
                such events.

        Raises:
            InputError: not a neutral pose, two zones of one name, or a time or margin that is negative or not finite.
        """
        self._neutral = neutral if isinstance(neutral, NeutralLearner) else _known(neutral)
        self._watch = ZoneWatch(
            zones, after_s=after_s, back_s=back_s, margin_deg=margin_deg, hold_s=hold_s, lost_s=lost_s
        )
        self._time_s = -math.inf

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zones."""
        return self._watch.zones

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages for the user on neutral poses that were learned."""
        return tuple(self._neutral.notes) if isinstance(self._neutral, NeutralLearner) else ()

    def neutral(self, identity: int | None = None) -> NeutralPose | None:
        """Return the neutral pose: the given one, or a learned one, as :meth:`NeutralLearner.pose`."""
        return self._neutral.pose(identity) if isinstance(self._neutral, NeutralLearner) else self._neutral

    def reset(self) -> None:
        """Forget learned poses and the zones of all people."""
        if isinstance(self._neutral, NeutralLearner):
            self._neutral.reset()
        self._watch.reset()
        self._time_s = -math.inf

    def __call__(self, time_s: float, poses: Poses) -> Attention:
        """Measure a frame.

        Args:
            time_s: of the frame, in seconds from any start. NaN for a picture: its zones are those of the poses alone,
                and there are no events.
            poses: of the frame; not changed.

        Raises:
            InputError: a time that is infinite, or NaN while poses are to be learned; an identity more than once.
        """
        if math.isinf(time_s):
            raise InputError(f"time_s must be finite, or NaN for a picture, got {time_s!r}")
        rotation, ids = poses.rotation, poses.ids
        named = ids[ids >= 0]
        if len(np.unique(named)) != len(named):
            raise InputError(f"identities must be unique in a frame, got {ids.tolist()}")
        if time_s < self._time_s:
            self.reset()
        usable = np.isfinite(rotation).all(axis=(1, 2)) & ~poses.doubtful
        neutrals, progress = self._neutrals(time_s, rotation, ids, usable)

        unknown = np.full((3, 3), np.nan)
        of_faces = np.array([unknown if n is None else n.rotation for n in neutrals]).reshape(-1, 3, 3)
        relative = relative_rotation(of_faces, rotation)
        angles = relative_angles(relative)
        events: list[ZoneEvent] = []
        if math.isnan(time_s):
            zones = self._watch.at_once(np.where(usable[:, None], angles, np.nan))
        else:
            self._time_s = time_s
            zones, events = self._watch(time_s, angles, ids, usable & np.isfinite(angles).all(axis=1))
        spread_deg = np.array([math.nan if n is None else n.spread_deg for n in neutrals], np.float32)
        return Attention(
            angles.astype(np.float32),
            relative.astype(np.float32),
            tuple(zones),
            tuple(events),
            np.array(progress, np.float32),
            spread_deg,
        )

    def _neutrals(
        self, time_s: float, rotation: NDArray[np.float32], ids: NDArray[np.int64], usable: NDArray[np.bool_]
    ) -> tuple[list[NeutralPose | None], list[float]]:
        if not isinstance(self._neutral, NeutralLearner):
            return [self._neutral] * len(ids), [1.0] * len(ids)
        if math.isnan(time_s):
            raise InputError(
                "neutral poses are learned over time, and pictures have none; give the neutral pose as a rotation, "
                "angles or a CameraMount, or one that was learned and saved"
            )
        return self._neutral.observe(time_s, rotation, ids, usable)


def _known(neutral: NeutralPose | CameraMount | ArrayLike | None) -> NeutralPose:
    if isinstance(neutral, NeutralPose):
        return neutral
    if isinstance(neutral, CameraMount):
        return neutral.neutral
    if neutral is None:
        return NeutralPose(np.eye(3))
    return NeutralPose.from_angles(neutral) if np.shape(neutral) == (3,) else NeutralPose(neutral)
