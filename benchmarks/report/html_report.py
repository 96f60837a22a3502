"""Runs as one HTML page that is complete in itself: no script, and nothing that would be fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.harness.schema import Document, Part
from benchmarks.report.chart_drawing import Chart
from benchmarks.report.page_tables import digest
from benchmarks.report.screen import clocks, facts
from benchmarks.report.tables import Table, budget_table, number, tables

_STYLE = Path(__file__).with_name("report.css")
_NUMBERS = set("0123456789.,+-−%° µmsxto×")  # cells of these only are aligned like numbers


def page(documents: Sequence[Document], charts: Sequence[Sequence[Chart]]) -> str:
    """The page.

    Args:
        documents: one or more.
        charts: of each of them.
    """
    title = f"hpe_edge benchmarks: {', '.join(dict.fromkeys(document.suite for document in documents))}"
    body = "\n".join(
        line
        for number_, (document, pictures) in enumerate(zip(documents, charts, strict=True), start=1)
        for line in _run(document, pictures, number_)
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{_contents(documents)}
</header>
<main>
{body}
</main>
</body>
</html>
"""


def _contents(documents: Sequence[Document]) -> str:
    entries = [
        f'<li><a href="#run{number_}-{escape(part.suite)}">{escape(part.suite)}</a>, {escape(document.date[:10])}</li>'
        for number_, document in enumerate(documents, start=1)
        for part in document.parts
    ]
    return f'<nav aria-label="Contents"><ul>{"".join(entries)}</ul></nav>' if len(entries) > 1 else ""


def _run(document: Document, charts: Sequence[Chart], number_: int) -> Iterator[str]:
    yield '<section class="run">'
    yield f"<h2>{escape(document.suite)}, {escape(document.date.replace('T', ' '))}</h2>"
    if document.quick:
        yield '<p class="warning" role="note">Run with --quick: its times say little.</p>'
    for warning in document.warnings:
        yield f'<p class="warning" role="note">Warning: {escape(warning)}</p>'
    told = {**facts(document.environment), "system": document.environment["software"]["os"]}
    said = clocks(document.conditions.get("before", {}))
    told |= {"clocks": said} if said else {}
    told["command"] = " ".join(document.command)
    yield _html_table(Table("What it ran on", ("what", "found"), list(told.items())))
    conditions = list(_conditions(document.conditions))
    if conditions:
        yield "<details><summary>The machine before and after</summary>"
        yield _html_table(Table("The machine before and after", ("what", "before", "after"), conditions))
        yield "</details>"
    for part in document.parts:
        yield from _part(part, [chart for chart in charts if chart.suite == part.suite], number_)
    yield "</section>"


def _part(part: Part, charts: Sequence[Chart], number_: int) -> Iterator[str]:
    yield f'<section id="run{number_}-{escape(part.suite)}">'
    yield f"<h3>Suite {escape(part.suite)}</h3>"
    if part.skipped:
        yield f"<p>Skipped: {escape(part.skipped)}</p>"
    if part.failed:
        yield f'<p class="warning" role="note">Failed: {escape(part.failed)}</p>'
    if part.budget:
        yield _html_table(budget_table(part.budget))
    yield from (_html_table(table) for table in digest(part))
    for chart in charts:
        yield _figure(chart)
    every = tables(part)
    if every:
        yield f"<details{' open' if len(every) < 4 else ''}><summary>Every result: {_count(len(every))}</summary>"
        yield from (_html_table(table) for table in every)
        yield "</details>"
    yield "</section>"


def _count(tables_: int) -> str:
    return "1 table" if tables_ == 1 else f"{tables_} tables"


def _conditions(conditions: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not conditions:
        return
    before, after = conditions["before"], conditions["after"]
    if before["load_average"] and after["load_average"]:
        yield "load average, 1 minute", f"{before['load_average'][0]:.2f}", f"{after['load_average'][0]:.2f}"
    for zone, found in before["temperatures"].items():
        later = after["temperatures"].get(zone, {}).get("celsius")
        yield f"{zone}, °C", number(found["celsius"]), number(later)
    for name, found in before["clocks"].items():
        later = after["clocks"].get(name, {}).get("current_mhz")
        limits = f"{name}, MHz ({found['governor']}, {found['min_mhz']:g} to {found['max_mhz']:g})"
        yield limits, number(found["current_mhz"]), number(later)
    for index, found in enumerate(before["gpus"]):
        later = after["gpus"][index] if index < len(after["gpus"]) else {}
        yield f"GPU {index}, °C", number(found["celsius"]), number(later.get("celsius"))
        yield f"GPU {index}, MHz", number(found["current_mhz"]), number(later.get("current_mhz"))
    for name, what in (("other_programs_percent", "other programs"), ("steal_percent", "other machines on this host")):
        if conditions[name] is not None:
            yield f"processor time of {what} meanwhile, %", "", number(conditions[name])


def _figure(chart: Chart) -> str:
    light, dark = (base64.b64encode(png).decode("ascii") for png in (chart.png, chart.dark_png))
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption><picture>"
        f'<source media="(prefers-color-scheme: dark)" srcset="data:image/png;base64,{dark}">'
        f'<img alt="{escape(chart.alt)}" src="data:image/png;base64,{light}"></picture></figure>'
    )


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_breakable(column)}</th>' for column in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{_breakable(row[0])}</th>{"".join(_cell(cell) for cell in row[1:])}</tr>'
        for row in table.rows
    )
    title = escape(table.title)
    # A wide table is scrolled by itself, also by keyboard; the page never is sideways.
    return (
        f'<div class="table" role="region" aria-label="{title}" tabindex="0">'
        f"<table><caption><span>{title}</span></caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    kind = ' class="number"' if text and set(text) <= _NUMBERS else ""
    return f"<td{kind}>{escape(text)}</td>"


def _breakable(name: str) -> str:
    """Names of figures may be broken at their underscores."""
    return escape(name).replace("_", "_<wbr>")
