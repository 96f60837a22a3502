"""The roofline: how long a graph must take on this machine at the least, and how near to that a run comes.

The bound is the longer of two times: all operations at the compute peak of the numbers that they are done in, and all
bytes at the memory's bandwidth (Williams, Waterman and Patterson, 2009). See :mod:`benchmarks.hardware.graph_cost` for
what is counted, and :mod:`benchmarks.hardware.peaks` for what it is held against. Where a network's layers stay in the
caches, the compute side alone is a bound; both sides are given.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.hardware.graph_cost import GraphCost
from benchmarks.hardware.peaks import Numbers, Peaks


@dataclass(frozen=True)
class Bound:
    """The least time of a run.

    Attributes:
        compute_ms: of the operations.
        memory_ms: of the bytes.
    """

    compute_ms: float
    memory_ms: float

    @property
    def ms(self) -> float:
        """The longer one."""
        return max(self.compute_ms, self.memory_ms)


def bound(cost: GraphCost, peaks: Peaks, numbers: Numbers, threads: int) -> Bound | None:
    """What a run can take at the least.

    Args:
        cost: of the graph, for the batch of the run.
        peaks: of this machine.
        numbers: what floating point is computed in; layers in INT8 count as such.
        threads: that work on the run.

    Returns:
        None where no library at hand computes in these numbers, so that there is no peak.
    """
    seconds = 0.0
    parts: tuple[tuple[Numbers, int], ...] = ((numbers, cost.macs - cost.int8_macs), ("int8", cost.int8_macs))
    for kind, macs in parts:
        if macs:
            peak = peaks.gflops(kind, threads)
            if peak is None:
                return None
            seconds += 2 * macs / 1e9 / peak
    return Bound(1e3 * seconds, 1e3 * cost.bytes / 1e9 / peaks.gbytes_per_s(threads))


def cost_figures(cost: GraphCost) -> dict[str, float | None]:
    """What a face costs, whatever the machine."""
    return {
        "gflop_per_face": cost.flops / cost.batch / 1e9,
        "mb_per_face": cost.bytes / cost.batch / 1e6,
        "flop_per_byte": cost.flops / cost.bytes,
    }


def roofline_figures(cost: GraphCost, least: Bound | None, taken_ms: float) -> dict[str, float | None]:
    """A run beside its bound.

    Args:
        cost: of the run's graph and batch.
        least: its bound, if there is one.
        taken_ms: what the run took.
    """
    return {
        **cost_figures(cost),
        "attained_gflops": cost.flops / 1e6 / taken_ms,
        "roofline_compute_ms": None if least is None else least.compute_ms,
        "roofline_memory_ms": None if least is None else least.memory_ms,
        "roofline_ms": None if least is None else least.ms,
        "share_of_peak_percent": None if least is None else 100 * least.ms / taken_ms,
    }
