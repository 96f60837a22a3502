"""Results as tables of words."""

from __future__ import annotations

import pytest

from benchmarks.harness.schema import Part
from benchmarks.harness.suite import BudgetLine
from benchmarks.harness.timing import Difference, Result, Row, Spread
from benchmarks.report.tables import budget_table, in_time, number, tables


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (0.5, "0.50 µs"),
        (9.994, "9.99 µs"),
        (9.996, "10.0 µs"),
        (99.96, "100 µs"),
        (999.4, "999 µs"),
        (999.6, "1.00 ms"),
        (2_742_807.8, "2.74 s"),
        (3.6e9, "3600 s"),
    ],
)
def test_times(us: float, words: str) -> None:
    assert in_time(us) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "unknown"), (195, "195"), (195.0, "195"), (14554.77, "14,555"), (0.0980946, "0.09809"), (3.333, "3.333")],
)
def test_numbers(value: float | None, words: str) -> None:
    assert number(value) == words


def test_rows_of_times() -> None:
    rows = [
        Row("hpe_edge", "ours", 15, 4, Spread(8.6, 8.5, 8.9), Spread(1, 1, 1), Spread(0, 0, 0), {}),
        Row(
            *("opencv", "theirs", 15, 4, Spread(38.8, 38.0, 1200.0), Spread(4.5, 4.4, 4.6), Spread(0, 0, 0)),
            {"values": Difference(0.013, 0.02)},
        ),
    ]
    found, skipped = tables(Part("ops", [Result("crop", {"size": 112}, rows, {"pillow": "not installed"})]))
    assert found.title == "crop: size 112"
    assert list(found.rows) == [
        ("hpe_edge", "8.60 µs", "8.50 µs to 8.90 µs", "1.00", "", "ours"),
        ("opencv", "38.8 µs", "38.0 µs to 1.20 ms", "4.50", "answers within 1.3e-02 (2.0e-02 allowed)", "theirs"),
    ]
    assert list(skipped.rows) == [("pillow", "not installed")]


def test_figures_of_several_cases_stand_below_each_other() -> None:
    results = [
        Result("error", {"model": "a", "boxes": b}, figures={"mae_deg": v, "faces": 3})
        for b, v in (("x", 1.5), ("y", None))
    ]
    (found,) = tables(Part("card", results))
    assert found.title == "error: model a"
    assert list(found.columns) == ["boxes", "mae_deg", "faces"]
    assert list(found.rows) == [("x", "1.5", "3"), ("y", "unknown", "3")]


def test_many_figures_of_few_cases_stand_beside_each_other() -> None:
    figures: dict[str, float | None] = {f"camera_{i}_ms": i / 4 for i in range(12)}
    results = [Result("live", {"cameras": count}, figures=figures) for count in (4, 8)]
    (found,) = tables(Part("cameras", results))
    assert list(found.columns) == ["figure", "cameras 4", "cameras 8"]
    assert found.rows[3] == ("camera_3_ms", "0.75", "0.75")
    (one,) = tables(Part("cameras", results[:1]))
    assert list(one.columns) == ["figure", "found"]


def test_other_figures_of_the_same_name_have_a_table_of_their_own() -> None:
    results = [
        Result("cost", {"layers": "all"}, figures={"a": 1.0}),
        Result("cost", {"layers": "Conv"}, figures={"b": 1.0}),
    ]
    assert [list(table.columns) for table in tables(Part("model", results))] == [["figure", "found"]] * 2


def test_limits() -> None:
    lines = [BudgetLine("x", "<= 1", "2", False), BudgetLine("y", "none", "?", None)]
    assert [row[3] for row in budget_table(lines).rows] == ["NOT met", "not judged"]
