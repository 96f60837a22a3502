"""Roofline: the least time of a graph on this machine, and how near to it a run comes.

The bound is the longer of two times: all operations at the compute peak of their precision, and all bytes at the
memory's bandwidth (Williams, Waterman and Patterson, 2009). The programs :mod:`tools.graph_cost` and
:mod:`tools.peaks` say what is counted and measured; they run on demand, in processes of their own. Where a network's
layers stay in the caches, the compute side alone is a bound; both sides are given.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpe_edge.errors import BackendError

_ROOT = Path(__file__).resolve().parents[2]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Cost:
    """Multiply-adds and bytes of one run of a graph, or of the layers of one kind."""

    batch: int
    layers: int
    macs: int
    int8_macs: int
    weight_bytes: int
    activation_bytes: int

    @property
    def flops(self) -> int:
        """Count two operations for each multiply-add."""
        return 2 * self.macs

    @property
    def bytes(self) -> int:
        """Add weights and activations."""
        return self.weight_bytes + self.activation_bytes


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
    found = _tool("peaks", "--threads", *map(str, threads), *(["--quick"] if quick else []))
    return Peaks({int(count): figures for count, figures in found.items()})


@functools.cache
def read_costs(path: Path, batch: int, float_bytes: int = 4) -> Mapping[str, Cost]:
    """Count the cost of ``"all"`` of a graph, then of each kind of layer, by ``tools.graph_cost``."""
    options = ["--batch", str(batch), "--float-bytes", str(float_bytes)]
    return {kind: Cost(**cost) for kind, cost in _tool("graph_cost", str(path.resolve()), *options).items()}


def _tool(name: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tools.{name}", *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise BackendError((done.stderr.strip().splitlines() or [f"tools.{name} failed"])[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def bound(cost: Cost, peaks: Peaks, precision: str, threads: int) -> Bound | None:
    """Return the least time of a run with floats in that precision; None where it has no peak on this machine."""
    seconds = 0.0
    for kind, macs in ((precision, cost.macs - cost.int8_macs), ("int8", cost.int8_macs)):
        if macs:
            peak = peaks.gflops(kind, threads)
            if peak is None:
                return None
            seconds += 2 * macs / 1e9 / peak
    return Bound(1e3 * seconds, 1e3 * cost.bytes / 1e9 / peaks.gbytes_per_s(threads))


def cost_figures(cost: Cost) -> Figures:
    """Return the cost of a face, whatever the machine."""
    return {
        "gflop_per_face": cost.flops / cost.batch / 1e9,
        "mb_per_face": cost.bytes / cost.batch / 1e6,
        "flop_per_byte": cost.flops / cost.bytes,
    }


def roofline_figures(cost: Cost, least: Bound | None, taken_ms: float) -> Figures:
    """Return what a run attained of its bound."""
    names = {"roofline_compute_ms": "compute_ms", "roofline_memory_ms": "memory_ms", "roofline_ms": "ms"}
    return {
        **cost_figures(cost),
        "attained_gflops": cost.flops / 1e6 / taken_ms,
        **{name: None if least is None else getattr(least, of) for name, of in names.items()},
        "share_of_peak_percent": None if least is None else 100 * least.ms / taken_ms,
    }
