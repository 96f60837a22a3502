"""Comparison of the results of alternatives, then timing in turns.

The alternatives take turns, once each per round, so that changes of the machine's speed affect all of them; ratios and
differences are computed within a round before the median. Runs are short, so that interruptions by other processes do
not shift the median. Caches filled by the previous alternative can cost the next one half of its time, so each turn
begins with an untimed call, and each round has a random order.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import HpeEdgeError

Answer = Mapping[str, NDArray[Any]]


class WrongAnswerError(HpeEdgeError, RuntimeError):
    """Two alternatives differ in their results, so their times cannot be compared."""


@dataclass(frozen=True)
class Effort:
    """Duration of a case's measurement.

    ``seconds`` are aimed at for one case without its warm-up; the runs bound the number of rounds; the warm-up is that
    of each alternative. ``quick`` marks a run that only checks that everything works.
    """

    seconds: float
    least_runs: int
    most_runs: int
    warmup_seconds: float
    quick: bool = False


@dataclass(frozen=True)
class Clock:
    """Timer of calls in a row; below ``shortest_run_ns`` the clock's own cost would matter.

    Each turn begins after ``rest_s``, when the previous alternative's threads have stopped spinning.
    """

    elapsed_ns: Callable[[Callable[[], Any], int], int]
    shortest_run_ns: int
    most_calls_per_run: int
    rest_s: float = 0.0


def _elapsed_ns(call: Callable[[], Any], count: int) -> int:
    clock = time.perf_counter_ns
    start = clock()
    for _ in repeat(None, count):
        call()
    return clock() - start


# The clock costs about 50 ns; this keeps it below one percent.
HOST_CLOCK = Clock(_elapsed_ns, shortest_run_ns=20_000, most_calls_per_run=64)

FULL = Effort(seconds=2.0, least_runs=15, most_runs=2000, warmup_seconds=0.02)
QUICK = Effort(seconds=0.0, least_runs=3, most_runs=3, warmup_seconds=0.0, quick=True)
# For suites whose runs take seconds.
FEW_RUNS = Effort(seconds=0.0, least_runs=5, most_runs=5, warmup_seconds=0.0)


@dataclass(frozen=True)
class Alternative:
    """One implementation of a case: a name and a sentence for tables, and a call that does the work once.

    ``answer`` converts the call's result to named arrays, untimed; ``tolerance`` has their largest accepted difference
    from the first alternative's. Arrays without a tolerance are not compared.
    """

    name: str
    what: str
    call: Callable[[], Any]
    answer: Callable[[Any], Answer]
    tolerance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """The same work by several alternatives, the first as baseline; ``skipped`` has the reasons of missing ones."""

    name: str
    parameters: Mapping[str, str | int]
    alternatives: Sequence[Alternative]
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spread:
    """The median over all rounds, with the 10th and 90th percentile."""

    median: float
    p10: float
    p90: float


@dataclass(frozen=True)
class Difference:
    """The largest difference of an array from the first alternative's, and its tolerance."""

    largest: float
    tolerance: float


@dataclass(frozen=True)
class Row:
    """Times of one alternative over ``runs`` rounds: of one call, and beside the first alternative round by round."""

    name: str
    what: str
    runs: int
    calls_per_run: int
    time_us: Spread
    ratio: Spread
    first_minus_this_us: Spread
    differences: Mapping[str, Difference]


@dataclass(frozen=True)
class Result:
    """One case's result: rows of times, or figures, with the unit at the end of their names; None where unknown."""

    name: str
    parameters: Mapping[str, str | int]
    rows: Sequence[Row] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, float | None] = field(default_factory=dict)

    def row(self, name: str) -> Row:
        """Return the row of that name."""
        return next(row for row in self.rows if row.name == name)


def measure(case: Case, effort: Effort, clock: Clock = HOST_CLOCK) -> Result:
    """Compare the results, see :func:`compare`, then time the alternatives in turns."""
    differences = compare(case)
    with _no_garbage_collection():
        fastest_ns = [_warm_up(alternative.call, effort.warmup_seconds, clock) for alternative in case.alternatives]
        calls_per_run = [min(math.ceil(clock.shortest_run_ns / ns), clock.most_calls_per_run) for ns in fastest_ns]
        round_seconds = sum((1 + calls) * ns for calls, ns in zip(calls_per_run, fastest_ns, strict=True)) / 1e9
        round_seconds += len(fastest_ns) * clock.rest_s
        runs = min(max(int(effort.seconds / round_seconds), effort.least_runs), effort.most_runs)
        times_us = _time([alternative.call for alternative in case.alternatives], runs, calls_per_run, clock)
    rows = []
    for each, calls, own_us, found in zip(case.alternatives, calls_per_run, times_us, differences, strict=True):
        spreads = _spread(own_us), _spread(own_us / times_us[0]), _spread(times_us[0] - own_us)
        rows.append(Row(each.name, each.what, runs, calls, *spreads, found))
    return Result(case.name, case.parameters, rows, case.skipped)


def compare(case: Case) -> list[dict[str, Difference]]:
    """Return the differences of each alternative's results from the first one's.

    Raises:
        WrongAnswerError: one exceeds its tolerance, has another shape, or is NaN.
    """
    first = case.alternatives[0]
    # Copied, as calls reuse buffers.
    wanted = {name: np.array(values) for name, values in first.answer(first.call()).items()}
    found = []
    for alternative in case.alternatives:
        answer = alternative.answer(alternative.call())
        differences = {}
        for name, tolerance in alternative.tolerance.items():
            largest = _largest_difference(wanted[name], answer[name])
            if not largest <= tolerance:  # also when it is NaN
                raise WrongAnswerError(
                    f"{case.name} ({describe(case.parameters)}): {alternative.name!r} and {first.name!r} differ in "
                    f"{name} by {largest:.3g}, accepted is {tolerance:.3g}; one of them is wrong, so nothing was timed"
                )
            differences[name] = Difference(largest, tolerance)
        found.append(differences)
    return found


def describe(parameters: Mapping[str, str | int]) -> str:
    """Write parameters in one line."""
    return ", ".join(f"{name} {value}" for name, value in parameters.items())


def _largest_difference(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    if wanted.shape != got.shape:
        return math.inf
    return float(np.abs(got.astype(np.float64) - wanted).max(initial=0.0))


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _warm_up(call: Callable[[], Any], seconds: float, clock: Clock) -> int:
    """Call until ``seconds`` are over, at least three times; return the fastest call in nanoseconds."""
    end = time.perf_counter_ns() + seconds * 1e9
    fastest = min(clock.elapsed_ns(call, 1) for _ in range(3))
    while time.perf_counter_ns() < end:
        fastest = min(fastest, clock.elapsed_ns(call, 1))
    return max(fastest, 1)


def _time(
    calls: Sequence[Callable[[], Any]], runs: int, calls_per_run: Sequence[int], clock: Clock
) -> NDArray[np.float64]:
    """Return microseconds per call, ``[alternatives, runs]``."""
    taken = np.empty((len(calls), runs))
    rng = np.random.default_rng(0)
    for run in range(runs):
        for index in rng.permutation(len(calls)).tolist():
            if clock.rest_s:
                time.sleep(clock.rest_s)
            calls[index]()
            taken[index, run] = clock.elapsed_ns(calls[index], calls_per_run[index])
    return taken / (1e3 * np.array(calls_per_run)[:, None])


def _spread(values: NDArray[np.float64]) -> Spread:
    p10, median, p90 = np.percentile(values, (10, 50, 90)).tolist()
    return Spread(median, p10, p90)
