"""Round-robin batch scheduler, without threads or clock; callers hold the batcher's lock."""

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
    """The poses of one frame of a camera stream, or the error in their place.

    Attributes:
        number: index among all submitted frames. A gap between two outcomes is the number of dropped frames.
        tag: as passed to ``submit`` with the frame.
        error: of the engine; None if there are poses.
    """

    number: int
    tag: Any
    error: BackendError | None
    _poses: Poses | None

    @property
    def poses(self) -> Poses:
        """Poses of the frame's faces, in the order of its boxes.

        Raises:
            BackendError: ``error``, if there is one.
        """
        if self._poses is None:
            assert self.error is not None
            raise self.error
        return self._poses


class Entry:
    """A submitted frame.

    Attributes:
        queue: of its camera.
        number, tag: see :class:`Outcome`.
        request: to run; None afterwards, so that a waiting outcome holds no frame.
        accepted_s: time of submission, in seconds of the caller's clock.
        outcome: None until the frame was run.
    """

    __slots__ = ("accepted_s", "number", "outcome", "queue", "request", "tag")

    def __init__(self, queue: CameraQueue, number: int, tag: Any, request: Request, accepted_s: float) -> None:
        self.queue, self.number, self.tag, self.accepted_s = queue, number, tag, accepted_s
        self.request: Request | None = request
        self.outcome: Outcome | None = None

    @property
    def faces(self) -> int:
        """Number of faces to run."""
        return 0 if self.request is None else self.request.count


class CameraQueue:
    """Frames of one camera in order, waiting or started, until their outcomes are fetched.

    Attributes:
        capacity: largest number of waiting frames, and of started frames not yet fetched.
        changed: condition for threads that wait for capacity, an outcome or the end.
        submitted, dropped: counts of frames.
        open: frames are accepted.
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
        """True if no further frame may wait."""
        return len(self._waiting) >= self.capacity

    @property
    def idle(self) -> bool:
        """True if the queue is closed and no frame waits."""
        return not self.open and not self._waiting

    @property
    def over(self) -> bool:
        """True if no outcome will follow."""
        return self.idle and not self._begun

    def accept(self, request: Request, tag: Any, now_s: float) -> None:
        """Append a frame."""
        self._waiting.append(Entry(self, self.submitted, tag, request, now_s))
        self.submitted += 1

    def refuse(self) -> None:
        """Count a submitted frame as dropped."""
        self.submitted += 1
        self.dropped += 1

    def drop_oldest(self) -> None:
        """Drop the frame that has waited longest."""
        self._waiting.popleft()
        self.dropped += 1

    def close(self, *, drop: bool = False) -> None:
        """Accept no more frames; ``drop`` also discards waiting ones."""
        self.open = False
        if drop:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        self.changed.notify_all()

    def startable(self) -> Iterator[Entry]:
        """Return the frames that may be started now, oldest first.

        A consumer that fetches nothing stalls its own camera only. In a closed queue all frames may start: their number
        is bounded, and the closing thread may be the consumer itself.
        """
        room = self.capacity - len(self._begun) if self.open else len(self._waiting)
        return itertools.islice(self._waiting, max(0, room))

    def begin(self) -> Entry:
        """Start the frame that has waited longest."""
        entry = self._waiting.popleft()
        self._begun.append(entry)
        self.changed.notify_all()
        return entry

    def next_is_done(self) -> bool:
        """Return True if the next outcome in order is ready."""
        return bool(self._begun) and self._begun[0].outcome is not None

    def fetch(self) -> Outcome:
        """Take the next outcome, which must be ready."""
        outcome = self._begun.popleft().outcome
        assert outcome is not None
        return outcome


class RoundRobin:
    """Batch former: queues take turns with their oldest frame, so each waits for at most one frame of every other."""

    def __init__(self, max_faces: int, max_delay_s: float) -> None:
        """
        Args:
            max_faces: batch size. A frame with more faces is not split but forms a batch alone.
            max_delay_s: longest wait of a frame for others.
        """
        self._max_faces = max_faces
        self._max_delay_s = max_delay_s
        self._queues: list[CameraQueue] = []  # least recently served first

    def __iter__(self) -> Iterator[CameraQueue]:
        return iter(self._queues)

    def add(self, queue: CameraQueue) -> None:
        """Add a camera; finished ones are removed."""
        self._queues = [*(known for known in self._queues if not known.idle), queue]

    def due_in_s(self, now_s: float) -> float | None:
        """Return the seconds until a batch is due, 0 if it is due now; None if no frame waits.

        A batch is due when it has enough faces, when the oldest frame has waited long enough, or when all queues are
        full or closed, so that no more frames can come.
        """
        faces, oldest_s, more_may_come = 0, math.inf, False
        for queue in self._queues:
            for entry in queue.startable():
                faces += entry.faces
                oldest_s = min(oldest_s, entry.accepted_s)
            more_may_come |= queue.open and not queue.full
        if oldest_s == math.inf:
            return None
        if faces >= self._max_faces or not more_may_come:
            return 0.0
        return max(0.0, oldest_s + self._max_delay_s - now_s)

    def take(self) -> list[Entry]:
        """Start a batch. The first frame that does not fit has the first turn of the next batch."""
        batch: list[Entry] = []
        faces = 0
        while True:
            ready = ((queue, entry) for queue in self._queues for entry in itertools.islice(queue.startable(), 1))
            queue, entry = next(ready, (None, None))
            if queue is None or entry is None or (batch and faces + entry.faces > self._max_faces):
                return batch
            batch.append(queue.begin())
            faces += entry.faces
            self._queues.remove(queue)
            self._queues.append(queue)
