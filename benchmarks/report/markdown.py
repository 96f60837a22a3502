"""Reports in Markdown, with the charts as PNG files beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.harness.schema import Document
from benchmarks.report.charts import Chart, charts, save
from benchmarks.report.tables import Table, budget_table, clocks, facts, number, tables
from hpe_edge.util.atomic import Pending


def write_report(pending: Pending, documents: Sequence[Document]) -> None:
    """Write the charts beside the report, as ``NAME-CHART.png``, then the report itself."""
    lines = ["# Benchmarks of hpe_edge\n"]
    for number_, document in enumerate(documents, start=1):
        files = {}
        for chart in charts(document):
            prefix = f"{pending.path.stem}-{number_}" if len(documents) > 1 else pending.path.stem
            files[chart] = f"{prefix}-{chart.name}.png"
            save(chart, pending.path.with_name(files[chart]))
        lines += _run(document, files)
    pending.temp.write_text("\n".join(lines), encoding="utf-8")
    pending.commit()


def _run(document: Document, files: Mapping[Chart, str]) -> Iterator[str]:
    yield f"## {document.suite}, {document.date.replace('T', ' ')}\n"
    if document.quick:
        yield "**Run with --quick: its times are not reliable.**\n"
    yield from (f"**Warning: {warning}**\n" for warning in document.warnings)
    ran_on = {**facts(document.environment), "system": document.environment["software"]["os"]}
    setting = clocks(document.conditions.get("before", {}))
    ran_on |= {"clocks": setting} if setting else {}
    ran_on["command"] = " ".join(document.command)
    yield Table("Environment", ("what", "found"), list(ran_on.items())).markdown()
    conditions = list(_conditions(document.conditions))
    if conditions:
        yield Table("The machine before and after", ("what", "before", "after"), conditions).markdown()
    for part in document.parts:
        yield f"### Suite {part.suite}\n"
        if part.skipped or part.failed:
            yield f"**{'Failed' if part.failed else 'Skipped'}: {part.failed or part.skipped}**\n"
        if part.budget:
            yield budget_table(part.budget).markdown()
        yield from (f"![{c.title}]({file})\n" for c, file in files.items() if c.title.startswith(part.suite))
        yield from (table.markdown() for table in tables(part))


def _conditions(conditions: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not conditions:
        return
    before, after = conditions["before"], conditions["after"]
    if before["load_average"] and after["load_average"]:
        yield "load average, 1 minute", f"{before['load_average'][0]:.2f}", f"{after['load_average'][0]:.2f}"
    for zone, found in before["temperatures"].items():
        yield f"{zone}, °C", number(found["celsius"]), number(after["temperatures"].get(zone, {}).get("celsius"))
    for name, found in before["clocks"].items():
        limits = f"{name}, MHz ({found['governor']}, {found['min_mhz']:g} to {found['max_mhz']:g})"
        yield limits, number(found["current_mhz"]), number(after["clocks"].get(name, {}).get("current_mhz"))
    for index, (found, later) in enumerate(zip(before["gpus"], after["gpus"], strict=False)):
        for unit, key in (("°C", "celsius"), ("MHz", "current_mhz")):
            yield f"GPU {index}, {unit}", number(found[key]), number(later[key])
    for name, what in (("other_programs_percent", "other programs"), ("steal_percent", "other machines on this host")):
        if conditions[name] is not None:
            yield f"processor time of {what} meanwhile, %", "", number(conditions[name])
