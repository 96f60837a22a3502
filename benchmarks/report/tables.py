"""Runs as text: environment, results on the screen, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchmarks.harness.schema import Part
from benchmarks.harness.suite import BudgetLine
from benchmarks.harness.timing import Result, Row, describe

_PROGRAMS = ("python", "numpy", "opencv", "onnxruntime", "openvino", "tensorrt", "nvcc")
_BOARD = {"JetPack": "jetpack", "Jetson Linux": "l4t", "power mode": "power_mode"}
_VERDICTS = {True: "met", False: "NOT met", None: "not judged"}
_MOST_COLUMNS = 10  # tables with more figures are transposed,
_MOST_BESIDE = 6  # unless they have more cases than this


@dataclass(frozen=True)
class Table:
    """A title, the heads of the columns, and rows of as many cells."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Write the title and the table in Markdown."""
        lines = [_line(self.columns), "|---" * len(self.columns) + "|", *map(_line, self.rows)]
        return "\n".join([f"{_escaped(self.title)}:\n", *lines]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {_escaped(cell)} " if cell else " " for cell in cells) + "|"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")


def facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """Describe an environment by topic. Documents of schema 1 have fewer of them."""
    hardware, software, git = environment["hardware"], environment["software"], environment["git"]
    commit = "unknown" if git["commit"] is None else git["commit"][:12] + (", with changes" if git["dirty"] else "")
    isa = ", ".join(hardware["hpe_edge_isa_names"])
    found = {"processor": f"{hardware['cpu']}, {hardware['cores_usable']} cores, {isa}"}
    board = hardware.get("board")
    if board:
        known = [f"{name} {board[key]}" for name, key in _BOARD.items() if board[key]]
        found["board"] = ", ".join([str(board["model"] or "Jetson"), *known])
    gpus = [f"{gpu['name']} (compute capability {gpu['capability']})" for gpu in hardware.get("gpus", [])]
    if gpus:
        driver = [f"driver {software['driver']}"] if software.get("driver") else []
        found["GPU"] = ", ".join([*gpus, *driver, f"serves CUDA {software.get('driver_cuda') or 'unknown'}"])
    found["hpe_edge"] = f"{software['hpe_edge']}, commit {commit}"
    return {**found, "versions": ", ".join(versions(environment).values())}


def versions(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the programs beside hpe_edge with their versions, by name."""
    software = environment["software"]
    return {name: f"{name} {software[name]}" for name in _PROGRAMS if software.get(name)}


def clocks(state: Mapping[str, Any]) -> str:
    """Describe clock settings: those of the processor together, the others by name; empty where unknown."""
    found: dict[str, int] = {}
    for name, clock in state.get("clocks", {}).items():
        low, high = clock["min_mhz"], clock["max_mhz"]
        span = f"fixed at {high:g} MHz" if low == high else f"{low:g} to {high:g} MHz by {clock['governor']}"
        setting = f"{'cpu' if clock['is_cpu'] else name} {span}"
        found[setting] = found.get(setting, 0) + 1
    return ", ".join(setting if count == 1 else f"{count} x {setting}" for setting, count in found.items())


def screen_text(result: Result) -> str:
    """Write one result for the screen: a line for each alternative or figure."""
    lines = ["", f"{result.name}: {describe(result.parameters)}"]
    width = max((len(row.name) for row in result.rows), default=0)
    for row in result.rows:
        time = row.time_us
        spread = f"({time.p10:.1f} .. {time.p90:.1f})"
        line = f"  {row.name:{width}} {time.median:10.1f} us {spread:24} {row.ratio.median:7.2f} times   {answers(row)}"
        lines.append(line.rstrip())
    lines += [f"  {name}: skipped, {reason}" for name, reason in result.skipped.items()]
    lines += [f"  {name} {'unknown' if value is None else f'{value:g}'}" for name, value in result.figures.items()]
    return "\n".join(lines)


def answers(row: Row) -> str:
    """Describe the difference that is nearest to its tolerance."""
    if not row.differences:
        return ""
    worst = max(row.differences.values(), key=lambda found: found.largest / (found.tolerance or 1.0))
    if worst.largest == 0:
        return "same answers"
    return f"answers within {worst.largest:.1e} ({worst.tolerance:.1e} allowed)"


def budget_text(lines: Sequence[BudgetLine]) -> str:
    """Write the budget for the screen, line by line."""
    rows = [f"  {_VERDICTS[line.met]:10} {line.what}: limit {line.limit}, found {line.found}" for line in lines]
    return "\n".join(["", "budget (for information):", *rows])


def budget_table(lines: Sequence[BudgetLine]) -> Table:
    """Return the design's limits."""
    rows = [(line.what, line.limit, line.found, _VERDICTS[line.met]) for line in lines]
    return Table("Limits of the design", ("what", "limit", "found", "verdict"), rows)


def tables(part: Part) -> Iterator[Table]:
    """Yield a table for each case with rows of times, and one for all cases of one name with the same figures."""
    for _, group in groupby(part.results, lambda result: (result.name, tuple(result.figures), bool(result.rows))):
        results = list(group)
        yield from (_times(result) for result in results if result.rows)
        if results[0].figures:
            yield _figures(results)
        for result in results:
            if result.skipped:
                title = f"{result.name}: {describe(result.parameters)}: not run"
                yield Table(title, ("alternative", "why"), list(result.skipped.items()))


def in_time(us: float) -> str:
    """Write microseconds in the unit that reads best, with three digits."""
    unit, scale = next(((u, s) for u, s in (("µs", 1.0), ("ms", 1e3)) if abs(us) < 999.5 * s), ("s", 1e6))
    value = us / scale
    return f"{value:.{0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2}f} {unit}"


def number(value: float | str | None) -> str:
    """Write a figure with four digits; whole numbers whole."""
    if value is None or isinstance(value, str):
        return value or "unknown"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def constant(results: Sequence[Result]) -> dict[str, str | int]:
    """Return the parameters common to all."""
    first = results[0].parameters
    return {name: first[name] for name in first if all(r.parameters.get(name) == first[name] for r in results)}


def _times(result: Result) -> Table:
    rows = []
    for row in result.rows:
        spread = f"{in_time(row.time_us.p10)} to {in_time(row.time_us.p90)}"
        rows.append((row.name, in_time(row.time_us.median), spread, f"{row.ratio.median:.2f}", answers(row), row.what))
    columns = ("alternative", "median", "10th to 90th percentile", "times the first", "answers", "what it does")
    return Table(f"{result.name}: {describe(result.parameters)}", columns, rows)


def _figures(results: Sequence[Result]) -> Table:
    common = constant(results)
    names = list(dict.fromkeys(name for result in results for name in result.parameters if name not in common))
    title = f"{results[0].name}{f': {describe(common)}' if common else ''}"
    figures = list(results[0].figures)
    cases = [[str(result.parameters.get(name, "")) for name in names] for result in results]
    values = [[number(result.figures[figure]) for figure in figures] for result in results]
    if len(results) == 1 or (len(figures) > _MOST_COLUMNS and len(results) <= _MOST_BESIDE):
        heads = [describe(dict(zip(names, case, strict=True))) or "found" for case in cases]
        return Table(title, ("figure", *heads), list(zip(figures, *values, strict=True)))
    return Table(title, (*names, *figures), [(*a, *b) for a, b in zip(cases, values, strict=True)])
