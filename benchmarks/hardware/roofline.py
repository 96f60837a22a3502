"""Roofline: the least time of a graph on this machine, and how near to it a run comes.

The bound is the longer of two times: all operations at the compute peak of their precision, and all bytes at the
memory's bandwidth (Williams, Waterman and Patterson, 2009). :mod:`tools.graph_cost` counts the operations and bytes,
:mod:`tools.peaks` measures the peaks. Where a network's layers stay in the caches, the compute side alone is a bound;
both sides are given.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpe_edge.errors import BackendError
from tools.graph_cost import GraphCost, read_cost

_ROOT = Path(__file__).resolve().parents[2]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Peaks:
    """Measured peaks by number of threads: ``triad_gbytes_per_s``, and ``LIBRARY_PRECISION_gflops``."""

    figures: Mapping[int, Figures]

    def gflops(self, precision: str, threads: int) -> float | None:
        """Return the best library's billions of operations a second; None where none computes in that precision."""
        found = [value for name, value in self.figures[threads].items() if name.endswith(f"_{precision}_gflops")]
        return max((value for value in found if value is not None), default=None)

    def gbytes_per_s(self, threads: int) -> float:
        """Return the memory's bandwidth in billions of bytes a second."""
        return self.figures[threads]["triad_gbytes_per_s"] or 0.0


@dataclass(frozen=True)
class Bound:
    """The least time of a run's operations, and of its bytes."""

    compute_ms: float
    memory_ms: float

    @property
    def ms(self) -> float:
        """Return the longer one."""
        return max(self.compute_ms, self.memory_ms)


def measure_peaks(threads: Sequence[int], *, quick: bool) -> Peaks:
    """Measure the processor's peaks by ``tools.peaks``, for each number of threads."""
    # In a process of its own: the thread pools of three libraries, and arrays of four times the last cache, end with it
    # and do not disturb what is timed next.
    command = [sys.executable, "-m", "tools.peaks", "--threads", *map(str, threads), *["--quick"] * quick]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise BackendError((done.stderr.strip().splitlines() or ["tools.peaks failed"])[-1])
    return Peaks({int(count): figures for count, figures in json.loads(done.stdout).items()})


@functools.cache
def read_costs(path: Path, batch: int, float_bytes: int = 4) -> Mapping[str, GraphCost]:
    """Count the cost of ``"all"`` of a graph, then of each kind of layer."""
    cost = read_cost(path, batch, float_bytes)
    return {"all": cost, **cost.by_kind()}


def bound(cost: GraphCost, peaks: Peaks, precision: str, threads: int) -> Bound | None:
    """Return the least time of a run with floats in that precision; None where it has no peak on this machine."""
    seconds = 0.0
    for kind, macs in ((precision, cost.macs - cost.int8_macs), ("int8", cost.int8_macs)):
        if macs:
            peak = peaks.gflops(kind, threads)
            if peak is None:
                return None
            seconds += 2 * macs / 1e9 / peak
    return Bound(1e3 * seconds, 1e3 * cost.bytes / 1e9 / peaks.gbytes_per_s(threads))


def cost_figures(cost: GraphCost) -> Figures:
    """Return the cost of a face, whatever the machine."""
    return {
        "gflop_per_face": cost.flops / cost.batch / 1e9,
        "mb_per_face": cost.bytes / cost.batch / 1e6,
        "flop_per_byte": cost.flops / cost.bytes,
    }


def roofline_figures(cost: GraphCost, least: Bound | None, taken_ms: float) -> Figures:
    """Return what a run attained of its bound."""
    names = {"roofline_compute_ms": "compute_ms", "roofline_memory_ms": "memory_ms", "roofline_ms": "ms"}
    return {
        **cost_figures(cost),
        "attained_gflops": cost.flops / 1e6 / taken_ms,
        **{name: None if least is None else getattr(least, of) for name, of in names.items()},
        "share_of_peak_percent": None if least is None else 100 * least.ms / taken_ms,
    }
