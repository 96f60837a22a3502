"""Comparing and timing on toys; no test says anything about a time."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.timing import QUICK, Alternative, Case, Effort, WrongAnswerError, compare, measure

TOLERANCE = {"values": 0.5}


def toy(name: str, call: Callable[[], Any], tolerance: Mapping[str, float] = TOLERANCE) -> Alternative:
    return Alternative(name, "a toy", call, lambda found: {"values": np.asarray(found, np.float32)}, tolerance)


def case(*others: Alternative) -> Case:
    return Case("sum", {"count": 3}, [toy("ours", lambda: [1, 2, 3], {}), *others])


def test_every_alternative_runs_as_often_as_said() -> None:
    calls: Counter[str] = Counter()

    def count(name: str) -> Callable[[], list[int]]:
        def call() -> list[int]:
            calls[name] += 1
            return [1, 2, 3]

        return call

    result = measure(Case("sum", {}, [toy("a", count("a"), {}), toy("b", count("b"))]), QUICK)
    assert [row.name for row in result.rows] == ["a", "b"]
    (runs,) = {row.runs for row in result.rows}
    assert runs == QUICK.least_runs
    # Each is compared, the first with itself, too; warmed up three times; and called once untimed in each round.
    for row, compared in zip(result.rows, (2, 1), strict=True):
        assert calls[row.name] == compared + 3 + runs * (1 + row.calls_per_run)


def test_ratios_are_taken_round_by_round() -> None:
    result = measure(case(toy("slow", lambda: sorted(range(20000))[1:4], {})), QUICK)
    ours, slow = result.rows
    assert ours.ratio.median == ours.ratio.p10 == ours.ratio.p90 == 1.0
    assert ours.first_minus_this_us.median == 0.0
    assert slow.ratio.median > 1
    assert slow.first_minus_this_us.median < 0
    assert slow.time_us.p10 <= slow.time_us.median <= slow.time_us.p90


def test_differences_within_the_tolerance_are_reported() -> None:
    first, second = compare(case(toy("other", lambda: [1, 2.25, 3])))
    assert first == {}
    assert second["values"].largest == 0.25
    assert second["values"].tolerance == 0.5


@pytest.mark.parametrize("wrong", [[1, 2.6, 3], [1, np.nan, 3], [1, 2, np.inf], [1, 2], [[1, 2, 3]]])
def test_a_wrong_answer_is_refused(wrong: list) -> None:
    timed = []
    with pytest.raises(WrongAnswerError, match=r"sum \(count 3\): 'other' and 'ours' differ in values"):
        measure(case(toy("other", lambda: timed.append(1) or wrong)), QUICK)
    assert timed == [1]


def test_a_reused_buffer_does_not_hide_a_wrong_answer() -> None:
    buffer = np.zeros(3, np.float32)

    def write(value: float) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            buffer[:] = value
            return buffer

        return call

    with pytest.raises(WrongAnswerError):
        compare(Case("sum", {}, [toy("ours", write(1), {}), toy("other", write(2))]))


def test_no_garbage_is_collected_while_timing() -> None:
    enabled = []
    measure(Case("sum", {}, [toy("ours", lambda: enabled.append(gc.isenabled()) or [1], {})]), QUICK)
    assert enabled[0]  # the comparison
    assert not any(enabled[2:])
    assert gc.isenabled()


def test_the_number_of_rounds_is_bounded() -> None:
    one_second = Effort(seconds=1.0, least_runs=1, most_runs=7, warmup_seconds=0.0)
    assert measure(case(), one_second).rows[0].runs == 7
