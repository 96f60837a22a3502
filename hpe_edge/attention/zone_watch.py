"""Zone of each person over time, and events of leaving the watched zones.

Two thresholds keep a noisy pose at a border from flickering. In angle: a person leaves a zone beyond ``margin_deg``
outside of it. In time: "left" comes after ``after_s`` outside of the watched zones, and only ``back_s`` inside ends
that time, so a glance back that is shorter does not.

Only time with a known pose counts. A doubtful pose or a missing face holds the last zone for ``hold_s``; after that the
person counts neither as inside nor outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.attention.attention import ZoneEvent
from hpe_edge.attention.limits import checked_number
from hpe_edge.attention.zone import Zone, checked_zones

Float64Array = NDArray[np.float64]

_ROUNDING_S = 1e-6  # times of frames are sums of fractions
_FORGET_S = 60.0


class ZoneWatch:
    """Follows the zones of identities over time; part of :class:`hpe_edge.AttentionMeter`."""

    def __init__(
        self,
        zones: Iterable[Zone],
        *,
        after_s: float,
        back_s: float,
        margin_deg: float,
        hold_s: float,
        lost_s: float | None,
    ) -> None:
        """
        Args:
            zones, after_s, back_s, margin_deg, hold_s, lost_s: see :class:`hpe_edge.AttentionMeter`.

        Raises:
            InputError: a time or margin that is negative or not finite, or two zones of one name.
        """
        self.zones = checked_zones(zones)
        self._watched = {zone.name for zone in self.zones if zone.watched}
        self._after_s = checked_number("after_s", after_s, 0, unit="seconds")
        self._back_s = checked_number("back_s", back_s, 0, unit="seconds")
        self._hold_s = checked_number("hold_s", hold_s, 0, unit="seconds")
        self._margin_deg = checked_number("margin_deg", margin_deg, 0)
        self._lost_s = math.inf if lost_s is None else checked_number("lost_s", lost_s, 0, unit="seconds")
        self._people: dict[int, _Person] = {}
        self._time_s = -math.inf

    def reset(self) -> None:
        """Forget everybody."""
        self._people.clear()
        self._time_s = -math.inf

    def at_once(self, angles_deg: Float64Array) -> list[str | None]:
        """Return the zone of each pose ``[N, 3]`` by itself: the first that it is in; None outside and for NaN."""
        inside = self._distances(angles_deg) >= 0
        return [self._first(row) for row in inside]

    def __call__(
        self, time_s: float, angles_deg: Float64Array, ids: NDArray[np.int64], known: NDArray[np.bool_]
    ) -> tuple[list[str | None], list[ZoneEvent]]:
        """Follow the zones to a frame.

        Args:
            time_s: of the frame in seconds, not before the last one.
            angles_deg: ``[N, 3]``: relative yaw, pitch, roll in degrees.
            ids: ``[N]``; faces with a negative one have a zone, but no events.
            known: ``[N]``, false for doubtful poses and NaN.

        Returns:
            The zone of each face, and the events of the frame, by id.
        """
        distances = self._distances(angles_deg)
        for person in self._people.values():
            person.clock_s += self._held(person, time_s) - self._held(person, self._time_s)
        zones: list[str | None] = [None] * len(ids)
        for row in np.flatnonzero(known).tolist():
            identity = int(ids[row])
            if identity < 0:
                zones[row] = self._first(distances[row] >= 0)
                continue
            person = self._people.setdefault(identity, _Person(time_s))
            person.zone, person.seen_s = self._kept(person.zone, distances[row]), time_s
            if person.zone in self._watched:
                person.watched_zone = person.zone
        self._time_s = time_s

        events = [event for i in sorted(self._people) if (event := self._event(i, self._people[i])) is not None]
        for row, identity in enumerate(ids.tolist()):
            one = self._people.get(identity)
            if one is not None and time_s - one.seen_s <= self._hold_s:
                zones[row] = one.zone
        gone = {event.id for event in events if event.kind == "lost"}
        self._people = {
            i: person for i, person in self._people.items() if i not in gone and time_s - person.seen_s <= _FORGET_S
        }
        return zones, events

    def _held(self, person: _Person, time_s: float) -> float:
        """Return the last time up to ``time_s`` at which the person's zone is known."""
        return min(time_s, person.seen_s + self._hold_s)

    def _distances(self, angles_deg: Float64Array) -> Float64Array:
        """Return the signed distance ``[N, zones]`` of each pose to each zone."""
        if not self.zones:
            return np.zeros((len(angles_deg), 0))
        return np.stack([zone.distance(angles_deg) for zone in self.zones], axis=1)

    def _first(self, inside: NDArray[np.bool_]) -> str | None:
        return self.zones[int(np.argmax(inside))].name if inside.any() else None

    def _kept(self, before: str | None, distances: Float64Array) -> str | None:
        for zone, distance in zip(self.zones, distances.tolist(), strict=True):
            if zone.name == before and -self._margin_deg <= distance < 0:
                return before
        return self._first(distances >= 0)

    def _event(self, identity: int, person: _Person) -> ZoneEvent | None:
        """Update a person's time inside and outside; return what follows from it."""
        now = self._time_s
        absent_s = now - person.seen_s
        if absent_s >= self._lost_s and absent_s > 0:
            return ZoneEvent(identity, person.zone, "lost", now, absent_s)
        if absent_s > self._hold_s or not self._watched:
            return None
        if person.zone in self._watched:
            if person.inside_since_s is None:
                person.inside_since_s = person.clock_s
            if person.outside_since_s is not None and self._passed(person, person.inside_since_s, self._back_s):
                outside_s, reported = person.inside_since_s - person.outside_since_s, person.reported
                person.outside_since_s, person.reported = None, False
                return ZoneEvent(identity, person.zone, "returned", now, outside_s) if reported else None
            return None
        person.inside_since_s = None
        if person.outside_since_s is None:
            person.outside_since_s = person.clock_s
        if not person.reported and self._passed(person, person.outside_since_s, self._after_s):
            person.reported = True
            return ZoneEvent(identity, person.watched_zone, "left", now, person.clock_s - person.outside_since_s)
        return None

    @staticmethod
    def _passed(person: _Person, since_s: float, seconds: float) -> bool:
        return person.clock_s - since_s >= seconds - _ROUNDING_S


@dataclass
class _Person:
    seen_s: float  # last time with a known pose
    clock_s: float = 0.0  # time with a known zone since the first
    zone: str | None = None
    watched_zone: str | None = None  # the last one
    # Readings of the clock. While outside, or back for a moment, both may be set.
    outside_since_s: float | None = None
    inside_since_s: float | None = None
    reported: bool = False  # by an event "left"
