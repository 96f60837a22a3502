"""Cases on a GPU within a budget of time; one that fails leaves the others their turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.harness.suite import option
from benchmarks.harness.timing import Effort, Result, describe
from hpe_edge.errors import BackendError

# Of a case's share: the rest goes to its memory, its captures and the comparison of its results.
_MEASURING = 0.5
_LEAST_RUNS = 5


@dataclass(frozen=True)
class GpuOptions:
    """Options of the suites on a GPU.

    Attributes:
        seconds: for all cases together.
    """

    seconds: float | None = option("time for all cases together; default: as much as they take", None, type=float)


@dataclass(frozen=True)
class GpuCase:
    """One case: its name and parameters for the results, and the measurement of it.

    Attributes:
        timings: number of measurements that share the case's time.
    """

    name: str
    parameters: Mapping[str, str | int]
    run: Callable[[Effort], Iterator[Result]]
    timings: int = 1


def run_cases(cases: Sequence[GpuCase], effort: Effort, seconds: float | None) -> Iterator[Result]:
    """Run the cases in order, each for its share of the time left, and yield their results.

    A case that fails, or for which no time is left, yields one result that says so under ``skipped``.

    Raises:
        BackendError: at the end, if any case failed.
    """
    end = None if seconds is None else time.monotonic() + seconds
    failures: list[str] = []
    for index, case in enumerate(cases):
        shared, left = effort, None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            yield Result(case.name, case.parameters, skipped={"case": f"the {seconds:g} seconds were used up"})
            continue
        if left is not None:
            share = _MEASURING * left / (len(cases) - index) / case.timings
            runs = min(effort.least_runs, _LEAST_RUNS)
            shared = replace(effort, seconds=min(effort.seconds, share), least_runs=runs)
        try:
            yield from case.run(shared)
        except Exception as error:  # those of torch and CuPy share no base class
            what = f"{case.name} ({describe(case.parameters)}): {_first_line(error)}"
            failures.append(what)
            yield Result(case.name, case.parameters, skipped={"case": what})
    if failures:
        raise BackendError(f"{len(failures)} of {len(cases)} cases failed, the first: {failures[0]}")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
