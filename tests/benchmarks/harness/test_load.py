"""Warming up until it is steady, and loads of several callers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import benchmarks.harness.load
from benchmarks.harness.load import Load, measure_load, warm_up


class Clock:
    """A clock that only calls move, by what each takes."""

    def __init__(self, taken_s: Iterator[float]) -> None:
        self.now_s, self._taken_s = 0.0, taken_s

    def perf_counter(self) -> float:
        return self.now_s

    def call(self) -> None:
        self.now_s += next(self._taken_s)


@pytest.fixture
def clock_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterator[float]], Clock]:
    def make(taken_s: Iterator[float]) -> Clock:
        clock = Clock(taken_s)
        monkeypatch.setattr(benchmarks.harness.load, "time", clock)
        return clock

    return make


def test_a_steady_call_needs_three_blocks(clock_of: Callable[[Iterator[float]], Clock]) -> None:
    warm = warm_up(clock_of(iter(lambda: 0.001, 0)).call, limit_s=1.0, block_s=0.0)
    assert warm.steady and warm.calls == 3 * 8


def test_one_that_becomes_faster_is_waited_for(clock_of: Callable[[Iterator[float]], Clock]) -> None:
    times = (0.001 * max(1.0, 4 - 0.5 * (k // 8)) for k in range(10_000))  # block after block, until the seventh
    warm = warm_up(clock_of(times).call, limit_s=10.0, block_s=0.0)
    assert warm.steady and warm.calls == 9 * 8


def test_one_that_never_becomes_steady_is_said_to_be_so(clock_of: Callable[[Iterator[float]], Clock]) -> None:
    times = (0.001 * (1 + 0.05 * (k // 8 % 2)) for k in range(10_000))  # 5 % between blocks
    clock = clock_of(times)
    warm = warm_up(clock.call, limit_s=0.5, block_s=0.0)
    assert not warm.steady and clock.now_s >= 0.5


def test_percentiles_need_enough_calls() -> None:
    few, many = Load(np.arange(99.0), 1.0), Load(np.arange(101.0), 1.0)
    assert few.percentile_ms(99) is None and few.percentile_ms(50) == 49.0
    assert many.percentile_ms(99) == 99.0


def test_callers_work_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=60)  # one that waits for others alone would end in an error
    load = measure_load([together.wait] * 4, seconds=0.0, least=5, most=5)
    assert len(load.times_ms) == 20


@pytest.mark.parametrize("callers", [1, 3])
def test_a_caller_that_fails_is_not_passed_over(callers: int) -> None:
    def fail() -> None:
        raise RuntimeError("no such device")

    with pytest.raises(RuntimeError, match="no such device"):
        measure_load([fail] * callers, seconds=0.0, least=2, most=2)
