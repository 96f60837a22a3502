"""Durations of the stages of a run: totals and percentiles in constant memory, and events for a trace."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_SHORTEST_S, _LONGEST_S = 1e-6, 1e4  # durations are clamped to this range
_PER_STEP = 0.01  # relative width of a bin
_BINS = math.ceil(math.log(_LONGEST_S / _SHORTEST_S) / _PER_STEP) + 1


@dataclass(frozen=True)
class Span:
    """Execution of one stage.

    Attributes:
        stage: its name.
        thread: name of the thread.
        start_s, end_s: since the run began.
        frame: index of the frame.
    """

    stage: str
    thread: str
    start_s: float
    end_s: float
    frame: int


@dataclass(frozen=True)
class QueueDepth:
    """Number of waiting items in a queue.

    Attributes:
        queue: name of the queue.
        time_s: since the run began.
        items: number of waiting items.
    """

    queue: str
    time_s: float
    items: int


class StageTimes:
    """Durations of one stage."""

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        self._bins = np.zeros(_BINS, np.int64)

    def add(self, seconds: float) -> None:
        """Add a duration."""
        self.count += 1
        self.total_s += seconds
        within = min(max(seconds, _SHORTEST_S), _LONGEST_S)
        self._bins[int(math.log(within / _SHORTEST_S) / _PER_STEP)] += 1

    def include(self, other: StageTimes) -> None:
        """Add the durations of another thread."""
        self.count += other.count
        self.total_s += other.total_s
        self._bins += other._bins

    def percentile_s(self, percent: float) -> float:
        """Return a percentile of the durations, to 1 %; NaN if there are none."""
        if self.count == 0:
            return math.nan
        rank = max(1, math.ceil(percent / 100 * self.count))
        at = int(np.searchsorted(np.cumsum(self._bins), rank))
        return _SHORTEST_S * math.exp((at + 0.5) * _PER_STEP)


class Stopwatch:
    """Clock of a run, for all its threads.

    Counters are per thread: a lock taken several times per frame would cost some threads a millisecond.

    Attributes:
        events: spans and queue depths, in the order of their end; the trace writer removes them. None without a trace.
        busy_s, waited_s: thread -> time of work, and of waiting for another thread.
        alive_s: thread -> time from start to end, of ended threads.
    """

    def __init__(self, *, trace: bool = False) -> None:
        """
        Args:
            trace: collect ``events``.
        """
        self.events: deque[Span | QueueDepth] | None = deque() if trace else None
        self.busy_s: dict[str, float] = defaultdict(float)
        self.waited_s: dict[str, float] = defaultdict(float)
        self.alive_s: dict[str, float] = {}
        self._order: dict[str, None] = {}
        self._of_thread: dict[str, dict[str, StageTimes]] = defaultdict(dict)
        self._start_s = time.perf_counter()

    def now_s(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._start_s

    @property
    def stages(self) -> dict[str, StageTimes]:
        """Stage -> its durations in all threads, in the order of the first end."""
        merged = {name: StageTimes() for name in self._order}
        for own in list(self._of_thread.values()):
            for name, times in list(own.items()):
                merged[name].include(times)
        return merged

    @contextlib.contextmanager
    def stage(self, name: str, frame: int = -1) -> Iterator[None]:
        """Time the block as work of the stage and of the current thread."""
        thread = threading.current_thread().name
        start_s = self.now_s()
        try:
            yield
        finally:
            end_s = self.now_s()
            own = self._of_thread[thread]
            if name not in own:
                self._order.setdefault(name)
                own[name] = StageTimes()
            own[name].add(end_s - start_s)
            self.busy_s[thread] += end_s - start_s
            if self.events is not None:
                self.events.append(Span(name, thread, start_s, end_s, frame))

    def depth(self, queue: str, items: int) -> None:
        """Record the number of waiting items of a queue for the trace."""
        if self.events is not None:
            self.events.append(QueueDepth(queue, self.now_s(), items))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the block as waiting of the current thread."""
        start_s = self.now_s()
        try:
            yield
        finally:
            self.waited_s[threading.current_thread().name] += self.now_s() - start_s

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Time the block as the life of the current thread."""
        start_s = self.now_s()
        try:
            yield
        finally:
            self.alive_s[threading.current_thread().name] = self.now_s() - start_s
