"""Warming up until the times are steady, and the percentiles of a run from then on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.at_once import all_at_once

BLOCKS = 3  # in a row, whose medians must agree
AGREEMENT = 0.02  # of the larger one
_BLOCK_CALLS = 8
_P99_CALLS = 100  # with fewer the 99th percentile is the largest value


@dataclass(frozen=True)
class WarmUp:
    """How warming up went.

    Attributes:
        calls: it took.
        steady: the medians of three blocks in a row came within 2 % of each other before the time was over.
    """

    calls: int
    steady: bool


@dataclass(frozen=True)
class Load:
    """What callers found that worked at the same time.

    Attributes:
        times_ms: of every call.
        seconds: from the first call's start to the last one's end.
    """

    times_ms: NDArray[np.float64]
    seconds: float

    def percentile_ms(self, percent: float) -> float | None:
        """None where there were too few calls for it."""
        if percent > 90 and len(self.times_ms) < _P99_CALLS:
            return None
        return float(np.percentile(self.times_ms, percent))


def warm_up(call: Callable[[], Any], limit_s: float, block_s: float) -> WarmUp:
    """Call until the times are steady: the medians of three blocks in a row lie within 2 % of each other.

    Args:
        call: what is timed afterwards.
        limit_s: give up after so long; what follows is then measured as it is, and said to be unsteady.
        block_s: a block has eight calls, and goes on for so long.
    """
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
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return times_s


def measure_load(calls: Sequence[Callable[[], Any]], seconds: float, least: int, most: int) -> Load:
    """Time calls, each repeated by a thread of its own.

    Args:
        calls: of one or several callers.
        seconds: aimed at.
        least, most: bounds on how often each is called.

    Raises:
        Exception: whatever a call raised first.
    """
    times_s: list[list[float]] = [[] for _ in calls]
    start_s = time.perf_counter()
    end_s = start_s + seconds

    def repeat(call: Callable[[], Any], taken: list[float]) -> None:
        while len(taken) < least or (len(taken) < most and time.perf_counter() < end_s):
            begin_s = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begin_s)

    if len(calls) == 1:
        repeat(calls[0], times_s[0])
    else:
        all_at_once([partial(repeat, call, taken) for call, taken in zip(calls, times_s, strict=True)])
    return Load(1e3 * np.concatenate(times_s), time.perf_counter() - start_s)
