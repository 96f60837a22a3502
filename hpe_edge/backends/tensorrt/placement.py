"""Memory of a network's input and outputs on a GPU that shares the host's memory, as a Jetson's.

Page-locked memory that both read and write saves the copies, but such a GPU does not cache it as it does its own
memory, so which is faster depends on the network, the batch and the module. It is measured once per engine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Literal

Placement = Literal["shared", "device"]
"""One memory for host and GPU, or one for each and copies between them."""

_FIRST, _ROUNDS = 3, 20


def fastest(runs: Mapping[Placement, Callable[[], object]]) -> tuple[Placement, dict[Placement, float]]:
    """Time runs of the same batch, in turns, so that a change of clocks meets them all.

    Args:
        runs: a call for each placement that runs the batch and waits for it.

    Returns:
        The placement with the least median, and the medians in seconds.
    """
    times: dict[Placement, list[float]] = {placement: [] for placement in runs}
    for turn in range(_FIRST + _ROUNDS):
        for placement, run in runs.items():
            start = time.perf_counter()
            run()
            if turn >= _FIRST:
                times[placement].append(time.perf_counter() - start)
    medians = {placement: statistics.median(each) for placement, each in times.items()}
    return min(medians, key=medians.__getitem__), medians
