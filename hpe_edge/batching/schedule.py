"""What waits in a batcher and whose turn it is: plain bookkeeping, without threads and clocks of its own.

Whoever calls holds the batcher's lock.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hpe_edge.errors import BackendError
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The poses of one frame, or the error in their place.

    Attributes:
        number: how many frames were submitted to the stream before this one. A gap between two outcomes is as many
            dropped frames.
        tag: what was given to ``submit`` with the frame.
        error: why there are no poses; None where there are.
    """

    number: int
    tag: Any
    error: BackendError | None
    _poses: Poses | None

    @property
    def poses(self) -> Poses:
        """Poses of the frame's faces, in the order of its boxes.

        Raises:
            BackendError: ``error``, where there is one.
        """
        if self._poses is None:
            assert self.error is not None
            raise self.error
        return self._poses


class Entry:
    """A frame on its way.

    Attributes:
        lane: where it is.
        number, tag: see :class:`Outcome`.
        request: what is to be run; None when that is done, so that a result that waits holds no frame.
        accepted_s: when it was taken, in seconds of the caller's clock.
        outcome: what came of it; None until then.
    """

    __slots__ = ("accepted_s", "lane", "number", "outcome", "request", "tag")

    def __init__(self, lane: Lane, number: int, tag: Any, request: Request, accepted_s: float) -> None:
        self.lane, self.number, self.tag, self.accepted_s = lane, number, tag, accepted_s
        self.request: Request | None = request
        self.outcome: Outcome | None = None

    @property
    def faces(self) -> int:
        """How many faces are to be run."""
        return 0 if self.request is None else self.request.count


class Lane:
    """One camera's frames in order: first those that wait, then those begun, until their outcomes are fetched.

    Attributes:
        capacity: so many may wait, and so many be begun and not yet fetched.
        changed: notified whenever somebody who waits for room, for an outcome or for the end may go on.
        submitted, dropped: counts of frames.
        open: frames are taken.
    """

    def __init__(self, capacity: int, lock: threading.RLock | None = None) -> None:
        """
        Args:
            capacity: see above.
            lock: the batcher's; a new one if None.
        """
        self.capacity = capacity
        self.changed = threading.Condition(lock)
        self.submitted, self.dropped = 0, 0
        self.open = True
        self._waiting: deque[Entry] = deque()
        self._begun: deque[Entry] = deque()

    @property
    def full(self) -> bool:
        """No further frame may wait."""
        return len(self._waiting) >= self.capacity

    @property
    def idle(self) -> bool:
        """Nothing waits, and nothing ever will."""
        return not self.open and not self._waiting

    @property
    def over(self) -> bool:
        """No outcome will come any more."""
        return self.idle and not self._begun

    def accept(self, request: Request, tag: Any, now_s: float) -> None:
        """Let a frame wait."""
        self._waiting.append(Entry(self, self.submitted, tag, request, now_s))
        self.submitted += 1

    def refuse(self) -> None:
        """Drop a frame that was submitted."""
        self.submitted += 1
        self.dropped += 1

    def drop_oldest(self) -> None:
        """Drop the frame that has waited longest."""
        self._waiting.popleft()
        self.dropped += 1

    def close(self, *, drop: bool = False) -> None:
        """Take no more frames; ``drop`` those that wait."""
        self.open = False
        if drop:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        self.changed.notify_all()

    def startable(self) -> Iterator[Entry]:
        """The frames that may be begun now, oldest first.

        A consumer that fetches nothing holds its own camera up. Of a closed lane everything is begun, for what is in it
        is bounded by then, and whoever closes it may be the very consumer.
        """
        room = self.capacity - len(self._begun) if self.open else len(self._waiting)
        return itertools.islice(self._waiting, max(0, room))

    def begin(self) -> Entry:
        """Take the frame that has waited longest to be run."""
        entry = self._waiting.popleft()
        self._begun.append(entry)
        self.changed.notify_all()
        return entry

    def next_is_done(self) -> bool:
        """Whether the outcome that is next in order is there."""
        return bool(self._begun) and self._begun[0].outcome is not None

    def fetch(self) -> Outcome:
        """Take the next outcome, which must be there."""
        outcome = self._begun.popleft().outcome
        assert outcome is not None
        return outcome


class Turns:
    """Forms batches: each lane in turn gives its oldest frame, so that none waits for more than one of every other."""

    def __init__(self, max_faces: int, max_delay_s: float) -> None:
        """
        Args:
            max_faces: of a batch. A frame is never split, so one with more makes a batch by itself.
            max_delay_s: how long a frame waits for others at most.
        """
        self._max_faces = max_faces
        self._max_delay_s = max_delay_s
        self._lanes: list[Lane] = []  # whose last turn is longest ago first

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def add(self, lane: Lane) -> None:
        """A further camera; those that are through are forgotten."""
        self._lanes = [*(known for known in self._lanes if not known.idle), lane]

    def due_in_s(self, now_s: float) -> float | None:
        """How long to wait before a batch is begun, 0 if no longer; None if there is nothing to begin.

        It is due when enough faces are there, when the oldest frame has waited long enough, and when all lanes are full
        or closed, so that no frame more can come.
        """
        faces, oldest_s, more_may_come = 0, math.inf, False
        for lane in self._lanes:
            for entry in lane.startable():
                faces += entry.faces
                oldest_s = min(oldest_s, entry.accepted_s)
            more_may_come |= lane.open and not lane.full
        if oldest_s == math.inf:
            return None
        if faces >= self._max_faces or not more_may_come:
            return 0.0
        return max(0.0, oldest_s + self._max_delay_s - now_s)

    def take(self) -> list[Entry]:
        """Begin a batch. What does not fit any more has the first turn next time."""
        batch: list[Entry] = []
        faces = 0
        while True:
            ready = ((lane, entry) for lane in self._lanes for entry in itertools.islice(lane.startable(), 1))
            lane, entry = next(ready, (None, None))
            if lane is None or entry is None or (batch and faces + entry.faces > self._max_faces):
                return batch
            batch.append(lane.begin())
            faces += entry.faces
            self._lanes.remove(lane)
            self._lanes.append(lane)
