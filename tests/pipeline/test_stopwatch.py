"""The stopwatch of a run."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from hpe_edge.pipeline.stopwatch import StageTimes, Stopwatch


def test_percentiles_are_numpys(rng: np.random.Generator) -> None:
    seconds = rng.lognormal(-5, 1.5, 5000)
    times = StageTimes()
    for one in seconds:
        times.add(one)
    assert times.count == 5000 and times.total_s == pytest.approx(seconds.sum())
    for percent in (1, 50, 95, 99, 100):
        expected = np.percentile(seconds, percent, method="inverted_cdf")
        assert times.percentile_s(percent) == pytest.approx(expected, rel=0.011)


def test_durations_out_of_range_and_none() -> None:
    times = StageTimes()
    assert math.isnan(times.percentile_s(50))
    for one in (0.0, -1e-9, 1e9):
        times.add(one)
    assert times.percentile_s(50) == pytest.approx(1e-6, rel=0.02) and times.percentile_s(99) > 9000


def test_stages_of_many_threads_are_counted_once_each() -> None:
    watch = Stopwatch()

    def work() -> None:
        for index in range(2000):
            with watch.stage("work", index), watch.waiting():
                pass

    threads = [threading.Thread(target=work, name=f"work {n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.stages["work"].count == 8000
    assert sorted(watch.busy_s) == sorted(watch.waited_s) == [f"work {n}" for n in range(4)]
    assert sum(watch.busy_s.values()) == pytest.approx(watch.stages["work"].total_s)


def test_memory_does_not_grow_with_the_run() -> None:
    watch = Stopwatch()
    with watch.stage("work", 0):
        watch.depth("work", 1)
    assert watch.events is None


def test_events_for_a_trace() -> None:
    watch = Stopwatch(trace=True)
    with watch.stage("outer", 3), watch.stage("inner", 3):
        watch.depth("queue", 2)
    depth, inner, outer = watch.events
    assert (depth.queue, depth.items) == ("queue", 2)
    assert (inner.stage, inner.frame, outer.stage, outer.thread) == ("inner", 3, "outer", "MainThread")
    assert outer.start_s <= inner.start_s <= depth.time_s <= inner.end_s <= outer.end_s
    assert watch.stages["outer"].total_s == pytest.approx(outer.end_s - outer.start_s)
