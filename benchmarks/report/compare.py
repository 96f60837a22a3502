"""Changes from one run to another, beyond the noise; docs/benchmarks.md has the rules.

Cases are matched by suite, name and parameters, their rows and figures by name. On other hardware the ratios to the
case's first row are compared in place of times. If that row is hpe_edge's, a falling ratio of an alternative is a
regression; if that row is the alternative, a rising ratio is.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.harness.schema import Document
from benchmarks.harness.timing import Result, Spread
from benchmarks.harness.timing import describe as in_words
from benchmarks.report.tables import facts, versions
from hpe_edge.errors import SourceError

Verdict = Literal["worse", "better", "changed", "same"]

NOISE = 0.05  # of a median
OURS = ("hpe_edge", "pipeline", "batcher")  # first rows that are hpe_edge's: the others are alternatives to it
OTHERS = ("plain",)  # first rows that are alternatives to hpe_edge: the others are its


@dataclass(frozen=True)
class Rule:
    """Judgement of figures whose names match: they must differ by a share of the first value and by a floor.

    An empty ``better`` shows them only; ``anywhere`` judges them on other hardware, too.
    """

    names: str
    better: Literal["less", "more", ""]
    share: float = 0.0
    floor: float = 0.0
    anywhere: bool = False


RULES = (  # the first that matches
    Rule(r"p99|worst|largest|peak|limit|roofline|gflops|gbytes", ""),
    Rule(r"(mae|error|geodesic|rotation|change).*_deg", "less", floor=0.01, anywhere=True),
    Rule(r"per_second|_fps$", "more", share=0.10),
    Rule(r"_(us|ms|s|seconds|mj|joules)$", "less", share=0.10),
    Rule(r"_kb$", "less", share=0.10, floor=1024),
    Rule(r"", ""),
)


@dataclass(frozen=True)
class Change:
    """The values of one row or figure, the verdict on the second, and for rows their ratio."""

    case: str
    name: str
    values: str
    verdict: Verdict
    factor: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Differences between the environments of two runs, changes of common values, and names that only one has."""

    remarks: Sequence[str]
    same_hardware: bool
    changes: Sequence[Change]
    only_before: Sequence[str]
    only_now: Sequence[str]

    @property
    def worse(self) -> bool:
        """Tell whether anything is worse beyond the noise."""
        return any(change.verdict == "worse" for change in self.changes)


def compare(before: Document, now: Document) -> Comparison:
    """Match and judge all values; raises SourceError where the runs have no case in common."""
    same = hardware(before) == hardware(now)
    cases, others = _cases(before), _cases(now)
    changes = list(_failures(before, now))
    for key in (key for key in cases if key in others):
        changes += _rows(key, cases[key], others[key], same)
        changes += _figures(key, cases[key].figures, others[key].figures, same)
    if not cases.keys() & others.keys() and not changes:
        raise SourceError(
            f"{before.source or 'the first'} and {now.source or 'the second'} have no case in common: "
            "compare two runs of one suite with the same models and options"
        )
    only_before = [name for key, result in cases.items() for name in _missing(key, result, others.get(key))]
    only_now = [name for key, result in others.items() for name in _missing(key, result, cases.get(key))]
    return Comparison(list(_remarks(before, now, same)), same, changes, only_before, only_now)


def hardware(document: Document) -> tuple[Any, ...]:
    """Return the hardware that times depend on."""
    found = document.environment["hardware"]
    gpus = [(gpu["name"], gpu["capability"]) for gpu in found.get("gpus", [])]
    board = found.get("board") or {}
    isa = tuple(found["hpe_edge_isa_names"])
    return found["cpu"], found["machine"], found["cores_usable"], isa, gpus, board.get("model"), board.get("power_mode")


def judge(before: Spread, now: Spread) -> Verdict:
    """Judge a time or a ratio, of which less is better."""
    if abs(now.median / before.median - 1) <= NOISE:
        return "same"
    if now.p10 > before.p90:
        return "worse"
    return "better" if now.p90 < before.p10 else "same"


def judge_figure(name: str, before: Mapping[str, float | None], now: Mapping[str, float | None], same: bool) -> Verdict:
    """Judge one figure of a case, with its interval where it has one."""
    a, b = before[name], now[name]
    if a == b:
        return "same"
    rule = next(rule for rule in RULES if re.search(rule.names, name))
    if a is None or b is None or not rule.better or not (same or rule.anywhere):
        return "changed"
    intervals = [(figures.get(f"{name}_low"), figures.get(f"{name}_high")) for figures in (before, now)]
    (low_a, high_a), (low_b, high_b) = intervals
    if low_a is not None and high_a is not None and low_b is not None and high_b is not None:
        beyond = not low_a <= b <= high_a and not low_b <= a <= high_b
    else:
        beyond = abs(b - a) > rule.floor and abs(b - a) > rule.share * abs(a)
    if not beyond:
        return "same"
    return "better" if (b < a) == (rule.better == "less") else "worse"


def _cases(document: Document) -> dict[str, Result]:
    return {
        f"{part.suite}, {result.name}: {in_words(dict(sorted(result.parameters.items())))}": result
        for part in document.parts
        for result in part.results
    }


def _rows(key: str, before: Result, now: Result, same_hardware: bool) -> Iterator[Change]:
    rows = {row.name: row for row in now.rows}
    for index, row in enumerate(before.rows):
        other = rows.get(row.name)
        if other is None or not (index or same_hardware):  # the first row's own ratio is 1
            continue
        a, b, unit = row.time_us, other.time_us, "us"
        if not same_hardware:
            a, b, unit = row.ratio, other.ratio, "times the first row"
        verdict = judge(a, b)
        if not same_hardware:
            verdict = _ratio_verdict(before.rows[0].name, row.name, verdict)
        values = f"{_spread(a)} -> {_spread(b)} {unit}, {b.median / a.median - 1:+.0%}"
        yield Change(key, row.name, values, verdict, b.median / a.median)


def _spread(spread: Spread) -> str:
    median, low, high = (f"{v:.4g}" if abs(v) < 1000 else f"{v:.0f}" for v in (spread.median, spread.p10, spread.p90))
    return f"{median} ({low} .. {high})"


def _ratio_verdict(first: str, name: str, verdict: Verdict) -> Verdict:
    """Judge hpe_edge beside the alternative; the ratio is this row's time over the first one's."""
    if verdict == "same" or first in OTHERS:
        return verdict
    if first not in OURS or name.startswith(first):  # parts of a whole, or variants of hpe_edge's
        return "changed"
    return "better" if verdict == "worse" else "worse"


def _figures(
    key: str, before: Mapping[str, float | None], now: Mapping[str, float | None], same: bool
) -> Iterator[Change]:
    for name in before:
        is_bound = re.sub(r"_(low|high)$", "", name) in before.keys() - {name}  # the end of another figure's interval
        if name in now and not is_bound:
            values = f"{_with_interval(name, before)} -> {_with_interval(name, now)}"
            yield Change(key, name, values, judge_figure(name, before, now, same))


def _with_interval(name: str, figures: Mapping[str, float | None]) -> str:
    value, low, high = (figures.get(f"{name}{end}") for end in ("", "_low", "_high"))
    text = "unknown" if value is None else f"{value:g}"
    return text if low is None or high is None else f"{text} ({low:g} .. {high:g})"


def _missing(key: str, mine: Result, theirs: Result | None) -> list[str]:
    """Return the names that only the first result has; the whole case where there is no other."""
    if theirs is None:
        return [key]
    other_rows = {row.name for row in theirs.rows}
    rows = [f"{key}: {row.name}" for row in mine.rows if row.name not in other_rows]
    return rows + [f"{key}: {name}" for name in mine.figures if name not in theirs.figures]


def _failures(before: Document, now: Document) -> Iterator[Change]:
    failed = {part.suite for part in before.parts if part.failed}
    for part in now.parts:
        if part.failed and part.suite not in failed:
            yield Change(part.suite, "the suite", f"failed: {part.failed}", "worse")


def _remarks(before: Document, now: Document, same_hardware: bool) -> Iterator[str]:
    both = (("before", before), ("now", now))
    for name, document in both:
        yield f"{name:8}{document.source or 'this run'}, {document.suite}, {document.date}"
    if not same_hardware:
        yield "DIFFERENT HARDWARE: ratios to each case's first row are compared in place of times"
    a, b = ({**facts(d.environment), **versions(d.environment), "versions": ""} for _, d in both)
    for topic in {**a, **b}:
        if a.get(topic) != b.get(topic):
            yield f"{topic} differs: {a.get(topic, 'unknown')} -> {b.get(topic, 'unknown')}"
    models = [{str(r.parameters["model"]) for r in _cases(d).values() if "model" in r.parameters} for _, d in both]
    if models[0] != models[1]:
        yield f"models differ: {', '.join(sorted(models[0])) or 'none'} -> {', '.join(sorted(models[1])) or 'none'}"
    for name, document in both:
        if document.quick:
            yield f"{name} was run with --quick: its times are not reliable"
        yield from (f"{name}: WARNING: {warning}" for warning in document.warnings)


def describe(found: Comparison) -> str:
    """Write all changes as text, regressions first."""
    lines = list(found.remarks)
    for verdict, title in (("worse", "WORSE"), ("better", "better"), ("changed", "changed, not judged")):
        of_kind = [f"  {c.case}: {c.name}: {c.values}" for c in found.changes if c.verdict == verdict]
        lines += ["", f"{title}:", *of_kind] if of_kind else []
    for title, names in (("only before", found.only_before), ("only now", found.only_now)):
        lines += ["", f"{title}:", *(f"  {name}" for name in names)] if names else []
    counts = [sum(change.verdict == verdict for change in found.changes) for verdict in ("worse", "better", "same")]
    lines += ["", f"{counts[0]} worse, {counts[1]} better, {counts[2]} the same within the noise"]
    factors = [change.factor for change in found.changes if change.factor is not None]
    if factors:
        what = "times" if found.same_hardware else "ratios"
        lines.append(f"over all {len(factors)} {what} the median change is {statistics.median(factors) - 1:+.1%}")
    return "\n".join(lines)
