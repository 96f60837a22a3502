"""Every result of a suite as tables of words, for the HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmarks.harness.schema import Part
from benchmarks.harness.suite import BudgetLine
from benchmarks.harness.timing import Result, Spread, describe
from benchmarks.report.screen import answers

_MOST_COLUMNS = 10  # more figures than that stand below each other
_MOST_BESIDE = 6  # unless there are more cases than that


@dataclass(frozen=True)
class Table:
    """A table of words.

    Attributes:
        title: what it shows.
        columns: their heads. Cells of the first one are the heads of their rows.
        rows: cells, as many as there are columns.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(part: Part) -> list[Table]:
    """All results: one table for each case with rows of times, one for all cases of one name with the same figures."""
    found = []
    for _, group in groupby(part.results, lambda result: (result.name, tuple(result.figures), bool(result.rows))):
        results = list(group)
        found += [_times(result) for result in results if result.rows]
        if results[0].figures:
            found.append(_figures(results))
        found += [_skipped(result) for result in results if result.skipped]
    return found


def budget_table(lines: Sequence[BudgetLine]) -> Table:
    """The design's limits."""
    words = {True: "met", False: "NOT met", None: "not judged"}
    rows = [(line.what, line.limit, line.found, words[line.met]) for line in lines]
    return Table("Limits of the design", ("what", "limit", "found", "verdict"), rows)


def in_time(us: float) -> str:
    """Microseconds in the unit that reads best, with three digits."""
    for unit, scale in (("µs", 1.0), ("ms", 1e3), ("s", 1e6)):
        if abs(us) < 999.5 * scale or unit == "s":
            return f"{_digits(us / scale)} {unit}"
    raise AssertionError


def number(value: float | str | None) -> str:
    """A figure with four digits; whole numbers whole."""
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return value
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def constant(results: Sequence[Result]) -> dict[str, str | int]:
    """The parameters that all have in common."""
    first = results[0].parameters
    return {name: first[name] for name in first if all(r.parameters.get(name) == first[name] for r in results)}


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def _times(result: Result) -> Table:
    rows = [
        (row.name, in_time(row.time_us.median), _range(row.time_us), f"{row.ratio.median:.2f}", answers(row), row.what)
        for row in result.rows
    ]
    columns = ("alternative", "median", "10th to 90th percentile", "times the first", "answers", "what it does")
    return Table(f"{result.name}: {describe(result.parameters)}", columns, rows)


def _range(spread: Spread) -> str:
    return f"{in_time(spread.p10)} to {in_time(spread.p90)}"


def _figures(results: Sequence[Result]) -> Table:
    common = constant(results)
    names = list(dict.fromkeys(name for result in results for name in result.parameters if name not in common))
    title = f"{results[0].name}{f': {describe(common)}' if common else ''}"
    figures = list(results[0].figures)
    if len(results) == 1 or (len(figures) > _MOST_COLUMNS and len(results) <= _MOST_BESIDE):
        heads = [describe({name: r.parameters.get(name, "") for name in names}) or "found" for r in results]
        rows = [(figure, *(number(result.figures[figure]) for result in results)) for figure in figures]
        return Table(title, ("figure", *heads), rows)
    rows = [
        (*(str(r.parameters.get(name, "")) for name in names), *(number(r.figures[figure]) for figure in figures))
        for r in results
    ]
    return Table(title, (*names, *figures), rows)


def _skipped(result: Result) -> Table:
    title = f"{result.name}: {describe(result.parameters)}: not run"
    return Table(title, ("alternative", "why"), list(result.skipped.items()))
