"""Time of calls within a CUDA graph: no launch by the host lies between them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any

from benchmarks.gpu.gpu import Gpu
from benchmarks.harness.timing import Clock

# Calls per graph. Calls that the host takes long to enqueue, one kernel per face, get fewer: capturing takes as long.
CALLS, FEWEST_CALLS = 50, 4
_CAPTURE_NS = 50_000_000
MOST_IN_RING = 16  # buffers that a call cycles through

# Captures what a call enqueues, and returns a call that enqueues the graph.
Recorder = Callable[[Callable[[], None], contextlib.ExitStack], Callable[[], Any]]


def graph_clock(gpu: Gpu, recorders: Mapping[Callable[[], Any], Recorder], cleanup: contextlib.ExitStack) -> Clock:
    """Make a clock that replays each call as a graph of many, made when it is first timed.

    Args:
        gpu: whose stream the calls enqueue on.
        recorders: call -> how its library captures.
        cleanup: destroys the graphs.
    """
    made: dict[Callable[[], Any], tuple[Callable[[], Any], int]] = {}

    def elapsed_ns(call: Callable[[], Any], count: int) -> int:
        if call not in made:
            made[call] = _record(gpu, call, recorders[call], cleanup)
        replay, calls = made[call]
        replays = math.ceil(count / calls)
        return round(gpu.between_events(replay, replays) * count / (replays * calls))

    return Clock(elapsed_ns, shortest_run_ns=1_000_000, most_calls_per_run=20 * CALLS)


def _record(
    gpu: Gpu, call: Callable[[], Any], recorder: Recorder, cleanup: contextlib.ExitStack
) -> tuple[Callable[[], Any], int]:
    start = time.perf_counter_ns()
    for _ in range(MOST_IN_RING):  # allocators and the memory of every slot are ready then
        call()
    enqueueing_ns = (time.perf_counter_ns() - start) / MOST_IN_RING
    gpu.wait()
    calls = min(max(int(_CAPTURE_NS / max(enqueueing_ns, 1)), FEWEST_CALLS), CALLS)

    def work() -> None:
        for _ in repeat(None, calls):
            call()

    replay = recorder(work, cleanup)
    replay()
    gpu.wait()
    return replay, calls
