"""The results as tables for the screen and as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from benchmarks.suite import BudgetLine
from benchmarks.timing import Result, Row, describe

SCHEMA = 1


def heading(suite: str, environment: dict[str, Any]) -> str:
    """Where it runs, in three lines."""
    hardware, software, git = environment["hardware"], environment["software"], environment["git"]
    commit = "unknown" if git["commit"] is None else git["commit"][:12] + (", with changes" if git["dirty"] else "")
    versions = ", ".join(f"{name} {software[name]}" for name in ("python", "numpy", "opencv", "onnxruntime"))
    return (
        f"{suite}; times are medians with p10..p90, on one thread (video, cameras: all); "
        "'times' is over the first row's\n"
        f"{hardware['cpu']}, {hardware['cores_usable']} cores, {', '.join(hardware['hpe_edge_isa_names'])}\n"
        f"hpe_edge {software['hpe_edge']}, commit {commit}; {versions}"
    )


def table(result: Result) -> str:
    """One result: a line for each alternative."""
    lines = ["", f"{result.name}: {describe(result.parameters)}"]
    width = max((len(row.name) for row in result.rows), default=0)
    lines += [f"  {_line(row, width)}" for row in result.rows]
    lines += [f"  {name}: skipped, {reason}" for name, reason in result.skipped.items()]
    lines += [f"  {name} {'unknown' if value is None else f'{value:g}'}" for name, value in result.figures.items()]
    return "\n".join(lines)


def _line(row: Row, width: int) -> str:
    time = row.time_us
    spread = f"({time.p10:.1f} .. {time.p90:.1f})"
    line = f"{row.name:{width}} {time.median:10.1f} us {spread:24} {row.ratio.median:7.2f} times   {_answers(row)}"
    return line.rstrip()


def _answers(row: Row) -> str:
    """The difference that is nearest to its tolerance."""
    if not row.differences:
        return ""
    worst = max(row.differences.values(), key=lambda found: found.largest / (found.tolerance or 1.0))
    if worst.largest == 0:
        return "same answers"
    return f"answers within {worst.largest:.1e} ({worst.tolerance:.1e} allowed)"


def verdicts(lines: Sequence[BudgetLine]) -> str:
    """The budget, line by line."""
    words = {True: "met", False: "NOT met", None: "-"}
    rows = [f"  {words[line.met]:8} {line.what}: limit {line.limit}, found {line.found}" for line in lines]
    return "\n".join(["", "budget (for information):", *rows])


def document(
    suite: str,
    command: Sequence[str],
    quick: bool,
    environment: dict[str, Any],
    results: Sequence[Result],
    budget: Sequence[BudgetLine],
) -> str:
    """Everything as JSON, schema number first."""
    plain = {
        "schema": SCHEMA,
        "suite": suite,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": list(command),
        "quick": quick,
        "environment": environment,
        "results": [asdict(result) for result in results],
        "budget": [asdict(line) for line in budget],
    }
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"
