"""Latency of a finished engine on this machine's GPU, per batch size."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from export.step import Latency, Reporter
from hpe_edge.backends.base import Context
from hpe_edge.backends.tensorrt.runner import TensorRTBackend

WARMUP, MOST_RUNS = 50, 500
_LEAST_RUNS = 100  # for a 99th percentile
_LONGEST_S = 2.0  # of one batch size, after the least runs


def measure_latency(backend: TensorRTBackend | None, report: Reporter) -> tuple[Latency, ...]:
    """Time the runs of every batch size, and report them as a table.

    Args:
        backend: the engine, idle; None on a machine without a GPU, which is reported.
        report: takes the table.

    Raises:
        BackendError: TensorRT or CUDA failed.
    """
    if backend is None:
        report("latency", ["not measured, there is no GPU here; on the device: hpe-edge bench ENGINE"])
        return ()
    context = backend.context()
    found = tuple(_measured(context, size) for size in backend.loaded.buckets)
    report(
        "latency",
        [
            f"{'batch':>5}  {'median':>9}  {'p99':>9}  {'faces/s':>9}",
            *(
                f"{each.faces:5}  {each.median_ms:6.3f} ms  {each.p99_ms:6.3f} ms  "
                f"{1e3 * each.faces / max(each.median_ms, 1e-6):9.0f}"
                for each in found
            ),
            f"copy to the GPU, network, copy back; at least {min(each.runs for each in found)} runs each",
        ],
    )
    return found


def _measured(context: Context, faces: int) -> Latency:
    context.input(faces)[...] = 0
    for _ in range(WARMUP):
        context.run(faces)
    times_s = []
    for _ in _rounds():
        start_s = time.perf_counter()
        context.run(faces)
        times_s.append(time.perf_counter() - start_s)
    median, p99 = np.percentile(times_s, [50, 99])
    return Latency(faces, len(times_s), 1e3 * float(median), 1e3 * float(p99))


def _rounds() -> Iterator[None]:
    """Iterate over the timed runs: the least, then more until the time is over."""
    least = min(_LEAST_RUNS, MOST_RUNS)
    end_s = time.perf_counter() + _LONGEST_S
    for at in range(MOST_RUNS):
        if at >= least and time.perf_counter() > end_s:
            return
        yield
