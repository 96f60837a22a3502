"""Newest events of the zones, kept for browsers that connect later or skip the frame of an event."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hpe_edge.attention.attention import ZoneEvent
from hpe_edge.pipeline.frame_result import Result

_KEPT = 60  # a departure and a return are two
_FORGET_S = 30.0  # a person who is not in the picture for so long is not marked on return


@dataclass(frozen=True)
class Events:
    """Events up to a frame.

    Attributes:
        newest: the latest, oldest first.
        outside_since_s: times of the source since which people are outside for longer than allowed, by identity.
    """

    newest: tuple[ZoneEvent, ...] = ()
    outside_since_s: dict[int, float] = field(default_factory=dict)


class EventLog:
    """Events of the results so far. A step back in time, as in a looped file, empties it."""

    def __init__(self) -> None:
        self._newest: deque[ZoneEvent] = deque(maxlen=_KEPT)
        self._outside_since_s: dict[int, float] = {}
        self._seen_s: dict[int, float] = {}
        self._time_s = float("-inf")

    def add(self, result: Result) -> Events:
        """Add a result's events; return the newest ones."""
        if result.attention is None:
            return Events()
        now = result.time_s
        if now < self._time_s:
            self._newest.clear()
            self._outside_since_s.clear()
        self._time_s = now
        for event in result.attention.events:
            self._newest.append(event)
            self._outside_since_s.pop(event.id, None)
            if event.kind == "left":
                self._outside_since_s[event.id] = event.time_s - event.outside_s
                self._seen_s[event.id] = now
        for identity in self._outside_since_s.keys() & set(result.ids.tolist()):
            self._seen_s[identity] = now
        self._outside_since_s = {
            identity: since_s
            for identity, since_s in self._outside_since_s.items()
            if now - self._seen_s[identity] <= _FORGET_S
        }
        self._seen_s = {identity: self._seen_s[identity] for identity in self._outside_since_s}
        return Events(tuple(self._newest), dict(self._outside_since_s))
