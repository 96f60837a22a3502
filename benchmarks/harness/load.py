"""Warm-up to steady times, percentiles under load, times by stage, and memory."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS = 3  # in a row, whose medians must agree
AGREEMENT = 0.02  # of the larger one
_BLOCK_CALLS = 8
_P99_CALLS = 100  # with fewer the 99th percentile is the largest value
_WARM_UP_CALLS = 5

Timer = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True)
class WarmUp:
    """Calls of a warm-up; ``steady`` where the medians of three blocks in a row agreed within 2 % in time."""

    calls: int
    steady: bool


@dataclass(frozen=True)
class Load:
    """Times of all calls of concurrent callers, and the seconds from the first one's start to the last one's end."""

    times_ms: NDArray[np.float64]
    seconds: float

    def percentile_ms(self, percent: float) -> float | None:
        """Return a percentile; None where there were too few calls for it."""
        if percent > 90 and len(self.times_ms) < _P99_CALLS:
            return None
        return float(np.percentile(self.times_ms, percent))


def warm_up(call: Callable[[], Any], limit_s: float, block_s: float) -> WarmUp:
    """Call until the times are steady or ``limit_s`` is over; a block takes at least eight calls and ``block_s``."""
    start_s = time.perf_counter()
    medians: list[float] = []
    calls = 0
    while True:
        times_s = _block(call, block_s)
        calls += len(times_s)
        medians.append(float(np.median(times_s)))
        latest = medians[-BLOCKS:]
        steady = len(latest) == BLOCKS and max(latest) - min(latest) <= AGREEMENT * max(latest)
        if steady or time.perf_counter() - start_s >= limit_s:
            return WarmUp(calls, steady)


def _block(call: Callable[[], Any], block_s: float) -> list[float]:
    times_s: list[float] = []
    end_s = time.perf_counter() + block_s
    while len(times_s) < _BLOCK_CALLS or time.perf_counter() < end_s:
        times_s.append(_seconds(call))
    return times_s


def _seconds(call: Callable[[], Any]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def measure_load(calls: Sequence[Callable[[], Any]], seconds: float, least: int, most: int) -> Load:
    """Time calls, each repeated by a thread of its own for so many seconds, within bounds on the number of calls."""
    times_s: list[list[float]] = [[] for _ in calls]
    start_s = time.perf_counter()
    end_s = start_s + seconds

    def repeat(call: Callable[[], Any], taken: list[float]) -> None:
        while len(taken) < least or (len(taken) < most and time.perf_counter() < end_s):
            taken.append(_seconds(call))

    if len(calls) == 1:
        repeat(calls[0], times_s[0])
    else:
        all_at_once([partial(repeat, call, taken) for call, taken in zip(calls, times_s, strict=True)])
    return Load(1e3 * np.concatenate(times_s), time.perf_counter() - start_s)


def all_at_once(jobs: Sequence[Callable[[], Any]]) -> None:
    """Run each job in a thread of its own and wait for all; raises what a job raised first."""
    errors: list[BaseException] = []

    def run(job: Callable[[], Any]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class CallStages:
    """Times of a call and its stages, by the timer argument of the call, as of :class:`hpe_edge.PoseEngine`."""

    def __init__(self, call: Callable[[Timer], Any]) -> None:
        self._call, self._seconds = call, dict[str, float]()

    def medians_us(self, calls: int) -> dict[str, float | None]:
        """Return microseconds by stage, and ``total_us``, as medians over calls; a stage may come several times."""
        taken: dict[str, list[float]] = defaultdict(list)
        for number in range(_WARM_UP_CALLS + calls):
            self._seconds = defaultdict(float)
            self._seconds["total"] = _seconds(partial(self._call, self._timed))
            if number >= _WARM_UP_CALLS:
                for stage, seconds in self._seconds.items():
                    taken[stage].append(seconds)
        return {f"{stage}_us": 1e6 * float(np.median(seconds)) for stage, seconds in taken.items()}

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start_s = time.perf_counter()
        yield
        self._seconds[stage] += time.perf_counter() - start_s


def median_us(call: Callable[[], Any], calls: int) -> float:
    """Return the median microseconds of a call."""
    taken_s = [_seconds(call) for _ in range(_WARM_UP_CALLS + calls)]
    return 1e6 * float(np.median(taken_s[_WARM_UP_CALLS:]))


def resident_kb() -> float | None:
    """Return the resident memory of this process; None where there is no /proc."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024
