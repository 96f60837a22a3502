"""Learning of neutral poses from the first seconds of a person, or of everybody in front of a mount."""

from __future__ import annotations

from collections import deque
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hpe_edge.attention.limits import checked_number
from hpe_edge.attention.neutral import NeutralPose
from hpe_edge.attention.rotation_mode import rotation_mode
from hpe_edge.errors import InputError
from hpe_edge.geometry import quaternion_from_rotation

Float64Array = NDArray[np.float64]
Per = Literal["person", "mount"]

# A pose stands for the time since the last one, so the frame rate does not matter; at low rates the learning takes
# longer, because it needs some number of poses.
_MOST_S = 0.2
_MOST_POSES = 4096  # kept while learning; beyond, every second one stands for two
_ROUNDING_S = 1e-6  # times of frames are sums of fractions
_FORGET_S = 60.0
_MOST_NOTES = 100


class NeutralLearner:
    """Learns neutral poses for an :class:`hpe_edge.AttentionMeter`; one for each video or camera.

    >>> meter = AttentionMeter(NeutralLearner(20.0, per="mount"))

    The neutral pose is the pose that the head kept for the most time, not the mean: glances do not move it while they
    take less time in any one direction. A scatter of 2 degrees about each axis and 40 percent of glances leave an error
    below 0.5 degrees in 20 seconds, for 19 persons in 20. Doubtful poses are left out.

    A head that is never still has no such pose. The result then has a large spread (``NeutralPose.spread_deg``,
    ``NeutralPose.steady``), and ``notes`` says so.

    Attributes:
        notes: messages for the user, the last hundred.
    """

    def __init__(self, learn_s: float = 10.0, *, per: Per = "person") -> None:
        """
        Args:
            learn_s: seconds of poses to learn from; below 5 poses a second a pose counts as 0.2 s, which takes longer.
            per: ``"person"``: each identity by itself; poses without one are not known. ``"mount"``: all faces
                together, for a seat that people take in turn.

        Raises:
            InputError: a time below 0.2 s, or another ``per``.
        """
        self._learn_s = checked_number("learn_s", learn_s, _MOST_S, unit="seconds")
        if per not in get_args(Per):
            raise InputError(f"per must be {' or '.join(get_args(Per))}, got {per!r}")
        self._per = per
        self._studies: dict[int, _Study] = {}
        self.notes: deque[str] = deque(maxlen=_MOST_NOTES)

    def pose(self, identity: int | None = None) -> NeutralPose | None:
        """Return a learned pose, or None if it is not known yet.

        Args:
            identity: of the person; None for that of a mount.

        Raises:
            InputError: an identity with ``per="mount"``, or none with ``per="person"``.
        """
        if (identity is None) == (self._per == "person"):
            raise InputError(f"poses are learned per {self._per}, got the identity {identity!r}")
        study = self._studies.get(_MOUNT if identity is None else identity)
        return None if study is None else study.pose

    def reset(self) -> None:
        """Forget everything and learn anew."""
        self._studies.clear()

    def observe(
        self, time_s: float, rotation: NDArray[np.floating], ids: NDArray[np.int64], usable: NDArray[np.bool_]
    ) -> tuple[list[NeutralPose | None], list[float]]:
        """Learn from a frame's poses.

        Args:
            time_s: of the frame in seconds, not before the last one.
            rotation: ``[N, 3, 3]``, head to camera.
            ids: ``[N]``, negative for none.
            usable: ``[N]``, false for poses to leave out.

        Returns:
            For each face its neutral pose, None where it is not known yet, and the progress from 0 to 1.
        """
        keys = ids if self._per == "person" else np.full(len(ids), _MOUNT)
        named = (ids >= 0) | (self._per == "mount")
        for key in np.unique(keys[usable & named]).tolist():
            self._study(key, time_s, rotation[usable & (keys == key)])
        if self._per == "person":
            self._studies = {k: study for k, study in self._studies.items() if time_s - study.seen_s <= _FORGET_S}
        studies = [self._studies.get(k) if one else None for k, one in zip(keys.tolist(), named.tolist(), strict=True)]
        progress = [0.0 if s is None else 1.0 if s.pose else min(s.seconds / self._learn_s, 1.0) for s in studies]
        return [None if study is None else study.pose for study in studies], progress

    def _study(self, key: int, time_s: float, rotation: NDArray[np.floating]) -> None:
        study = self._studies.setdefault(key, _Study(time_s))
        if study.pose is None:
            study.add(time_s, rotation)
            if study.seconds >= self._learn_s - _ROUNDING_S:
                study.pose = study.finish()
                if not study.pose.steady:
                    whose = "the mount" if self._per == "mount" else f"track {key}"
                    self.notes.append(
                        f"the neutral pose of {whose} is uncertain: in {study.pose.learned_s:.1f} s half of the poses "
                        f"were farther than {study.pose.spread_deg:.0f} degrees from it; learn for longer, or give it"
                    )
        study.seen_s = time_s


_MOUNT = -1  # in place of an identity


class _Study:
    """Poses of one person, or of a mount."""

    def __init__(self, time_s: float) -> None:
        self.seen_s = time_s
        self.seconds = 0.0
        self.pose: NeutralPose | None = None
        self._quaternions: list[Float64Array] = []
        self._weights: list[float] = []

    def add(self, time_s: float, rotation: NDArray[np.floating]) -> None:
        seconds = min(time_s - self.seen_s, _MOST_S)
        self.seconds += seconds
        self._quaternions.extend(quaternion_from_rotation(rotation).astype(np.float64))
        self._weights.extend([seconds / len(rotation)] * len(rotation))
        if len(self._weights) > _MOST_POSES:
            self._halve()

    def finish(self) -> NeutralPose:
        rotation, spread_deg = rotation_mode(np.array(self._quaternions), np.array(self._weights))
        self._quaternions, self._weights = [], []
        return NeutralPose(rotation, spread_deg=spread_deg, learned_s=self.seconds)

    def _halve(self) -> None:
        self._quaternions = self._quaternions[1::2]
        weights = self._weights[: 2 * len(self._quaternions)]
        self._weights = [a + b for a, b in zip(weights[::2], weights[1::2], strict=True)]
