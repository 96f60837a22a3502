"""What changed from one run to another, beyond the noise.

Cases are matched by suite, name and parameters, their rows and figures by name. The rules:

- A time changed where its interval from the 10th to the 90th percentile of the rounds does not overlap with the other
  run's, and the medians differ by more than 5 %; below that, two runs of the same code differ, too.
- On other hardware, times say nothing. There the ratios to the case's first row are compared, by the same rule. Where
  that row is hpe_edge's and the others are alternatives, it became worse if an alternative's ratio fell; where that
  row is the alternative, if a ratio rose.
- A figure with an interval (``NAME_low``, ``NAME_high``) changed where each value lies outside of the other's interval.
- Other figures have no recorded spread. Errors in degrees come out the same from the same pictures: they changed by
  more than 0.01 degrees; times, rates, memory and energy by more than 10 %. Extremes such as a 99th percentile, and
  what has no better and worse, are shown but not judged. On other hardware only errors are judged.
- A suite that failed, where it had not before, is worse.
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
from benchmarks.report.screen import facts, versions
from hpe_edge.errors import InputError

Verdict = Literal["worse", "better", "changed", "same"]

NOISE = 0.05  # of a median
OURS = ("hpe_edge", "pipeline", "batcher")  # first rows that are hpe_edge's: the others are alternatives to it
OTHERS = ("plain",)  # first rows that are alternatives to hpe_edge: the others are its


@dataclass(frozen=True)
class Rule:
    """How figures of some names are judged.

    Attributes:
        names: a pattern of them.
        better: whether ``"less"`` or ``"more"`` is better; empty where they are shown only.
        share: how much they must differ, of the first run's value.
        floor: and how much in their own unit.
        anywhere: whether they are judged on other hardware, too.
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
    """One row's or figure's two values.

    Attributes:
        case: suite, name and parameters in words.
        name: of the row or figure.
        said: both values, in words.
        verdict: of the second run.
        factor: the second time or ratio over the first; None of a figure.
    """

    case: str
    name: str
    said: str
    verdict: Verdict
    factor: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All that two runs have in common, and what they have not.

    Attributes:
        remarks: how the runs differ in what they ran on and with.
        same_hardware: whether times were compared; ratios otherwise.
        changes: of all that both have.
        only_before, only_now: what only one has, in words.
    """

    remarks: Sequence[str]
    same_hardware: bool
    changes: Sequence[Change]
    only_before: Sequence[str]
    only_now: Sequence[str]

    @property
    def worse(self) -> bool:
        """Whether anything is worse beyond the noise."""
        return any(change.verdict == "worse" for change in self.changes)


def compare(before: Document, now: Document) -> Comparison:
    """Match everything and judge it.

    Raises:
        InputError: they have no case in common.
    """
    same = hardware(before) == hardware(now)
    cases, others = _cases(before), _cases(now)
    changes = list(_failures(before, now))
    only_before, only_now = list[str](), list[str]()
    for key in (key for key in cases if key in others):
        changes += _rows(key, cases[key], others[key], same)
        changes += _figures(key, cases[key].figures, others[key].figures, same)
    for key, result in cases.items():
        only_before += _missing(key, result, others.get(key))
    for key, result in others.items():
        only_now += _missing(key, result, cases.get(key))
    if not cases.keys() & others.keys() and not changes:
        raise InputError(
            f"{before.source or 'the first'} and {now.source or 'the second'} have no case in common: "
            "compare two runs of one suite with the same models and options"
        )
    return Comparison(list(_remarks(before, now, same)), same, changes, only_before, only_now)


def hardware(document: Document) -> tuple[Any, ...]:
    """What times depend on."""
    found = document.environment["hardware"]
    gpus = [(gpu["name"], gpu["capability"]) for gpu in found.get("gpus", [])]
    board = found.get("board") or {}
    isa = tuple(found["hpe_edge_isa_names"])
    return found["cpu"], found["machine"], found["cores_usable"], isa, gpus, board.get("model"), board.get("power_mode")


def judge(before: Spread, now: Spread) -> Verdict:
    """A time or a ratio, of which less is better."""
    if abs(now.median / before.median - 1) <= NOISE:
        return "same"
    if now.p10 > before.p90:
        return "worse"
    return "better" if now.p90 < before.p10 else "same"


def judge_figure(name: str, before: Mapping[str, float | None], now: Mapping[str, float | None], same: bool) -> Verdict:
    """One figure of a case, with its interval where it has one."""
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
        if other is None:
            continue
        if same_hardware:
            verdict, what = judge(row.time_us, other.time_us), "us"
            a, b = row.time_us, other.time_us
        elif index:
            a, b = row.ratio, other.ratio
            verdict, what = _ratio_verdict(before.rows[0].name, row.name, judge(a, b)), "times the first row"
        else:
            continue  # its own ratio is 1
        said = f"{_number(a.median)} ({_number(a.p10)} .. {_number(a.p90)}) -> "
        said += f"{_number(b.median)} ({_number(b.p10)} .. {_number(b.p90)}) {what}, {b.median / a.median - 1:+.0%}"
        yield Change(key, row.name, said, verdict, b.median / a.median)


def _ratio_verdict(first: str, name: str, verdict: Verdict) -> Verdict:
    """Whether hpe_edge became worse beside the alternative. The ratio is this row's time over the first one's."""
    if verdict == "same" or first in OTHERS:
        return verdict
    if first not in OURS or name.startswith(first):  # parts of a whole, or other forms of hpe_edge's
        return "changed"
    return "better" if verdict == "worse" else "worse"


def _figures(
    key: str, before: Mapping[str, float | None], now: Mapping[str, float | None], same: bool
) -> Iterator[Change]:
    for name in before:
        if name in now and not _is_bound(name, before):
            said = f"{_with_interval(name, before)} -> {_with_interval(name, now)}"
            yield Change(key, name, said, judge_figure(name, before, now, same))


def _is_bound(name: str, figures: Mapping[str, float | None]) -> bool:
    """Whether it is the end of another figure's interval."""
    return re.sub(r"_(low|high)$", "", name) in figures.keys() - {name}


def _with_interval(name: str, figures: Mapping[str, float | None]) -> str:
    value, low, high = figures[name], figures.get(f"{name}_low"), figures.get(f"{name}_high")
    said = "unknown" if value is None else f"{value:g}"
    return said if low is None or high is None else f"{said} ({low:g} .. {high:g})"


def _missing(key: str, mine: Result, theirs: Result | None) -> list[str]:
    """What is in the first result alone; the whole where there is no other."""
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
    for name, document in (("before", before), ("now", now)):
        yield f"{name:8}{document.source or 'this run'}, {document.suite}, {document.date}"
    if not same_hardware:
        yield "DIFFERENT HARDWARE: times say nothing, so ratios to each case's first row are compared"
    a, b = (_told(document.environment) for document in (before, now))
    for topic in {**a, **b}:
        if a.get(topic) != b.get(topic):
            yield f"{topic} differs: {a.get(topic, 'unknown')} -> {b.get(topic, 'unknown')}"
    models = [
        {str(result.parameters["model"]) for result in _cases(document).values() if "model" in result.parameters}
        for document in (before, now)
    ]
    if models[0] != models[1]:
        yield f"models differ: {', '.join(sorted(models[0])) or 'none'} -> {', '.join(sorted(models[1])) or 'none'}"
    for name, document in (("before", before), ("now", now)):
        if document.quick:
            yield f"{name} was run with --quick: its times say little"
        for warning in document.warnings:
            yield f"{name}: WARNING: {warning}"


def _told(environment: Mapping[str, Any]) -> dict[str, str]:
    """What a run ran on by topic, each program's version by itself."""
    return {**facts(environment), **versions(environment), "versions": ""}


def describe(found: Comparison) -> str:
    """All of it for people, what is worse first."""
    lines = list(found.remarks)
    titles = {"worse": "WORSE", "better": "better", "changed": "changed, not judged"}
    for verdict, title in titles.items():
        of_kind = [change for change in found.changes if change.verdict == verdict]
        if of_kind:
            lines += ["", f"{title}:"]
            lines += [f"  {change.case}: {change.name}: {change.said}" for change in of_kind]
    for title, names in (("only before", found.only_before), ("only now", found.only_now)):
        if names:
            lines += ["", f"{title}:", *(f"  {name}" for name in names)]
    counts = [sum(change.verdict == verdict for change in found.changes) for verdict in ("worse", "better", "same")]
    lines += ["", f"{counts[0]} worse, {counts[1]} better, {counts[2]} the same within the noise"]
    factors = [change.factor for change in found.changes if change.factor is not None]
    if factors:
        what = "times" if found.same_hardware else "ratios"
        lines.append(f"over all {len(factors)} {what} the median change is {statistics.median(factors) - 1:+.1%}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
