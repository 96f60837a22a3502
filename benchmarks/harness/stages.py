"""Where the time of a call goes, by the hooks that the call itself has."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

_WARM_UP_CALLS = 5

Timer = Callable[[str], AbstractContextManager[object]]


class CallStages:
    """Times a call and its stages, of which each may come several times in a call."""

    def __init__(self, call: Callable[[Timer], Any]) -> None:
        """Of a call that takes a timer, as :class:`hpe_edge.PoseEngine` does."""
        self._call = call
        self._seconds: dict[str, float] = {}

    def medians_us(self, calls: int) -> dict[str, float | None]:
        """Stage -> microseconds of a call, and ``total_us``; each the median over so many calls."""
        taken: dict[str, list[float]] = defaultdict(list)
        for number in range(_WARM_UP_CALLS + calls):
            self._seconds = defaultdict(float)
            start_s = time.perf_counter()
            self._call(self._timed)
            self._seconds["total"] = time.perf_counter() - start_s
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
    """Microseconds of a call: the median over so many."""
    taken_s = []
    for _ in range(_WARM_UP_CALLS + calls):
        start_s = time.perf_counter()
        call()
        taken_s.append(time.perf_counter() - start_s)
    return 1e6 * float(np.median(taken_s[_WARM_UP_CALLS:]))
