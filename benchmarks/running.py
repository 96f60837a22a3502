"""Run suites, print each result when it is ready, and keep all in a document."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import cv2

from benchmarks.harness.schema import Document, Part, now
from benchmarks.harness.suite import Suite, add_options, build_options, option_flags
from benchmarks.harness.timing import FULL, QUICK, Result
from benchmarks.report.tables import budget_text, clocks, facts, screen_text
from hpe_edge.bench.environment import environment
from hpe_edge.bench.machine_state import Watch
from hpe_edge.errors import BackendError, HpeEdgeError, InputError
from hpe_edge.util.console import show

_HEADING = "times are medians with p10..p90, on one thread (video, cameras: all); 'times' is over the first row's"
_CUT_OFF = "the run was cut off here"


@dataclass(frozen=True)
class Job:
    """A suite with its options, or None where required ones are missing, such as ``--labels``."""

    suite: Suite
    options: Any
    missing: Sequence[str] = ()


def shared_options(suites: Sequence[Suite]) -> Iterator[tuple[Suite, dict[str, str], set[str]]]:
    """Yield for each suite of a joint command its renamed options, and those that no earlier suite has.

    An option whose name has another type in an earlier suite gets the suite's name, such as ``--accuracy-boxes``.
    """
    types: dict[str, Any] = {}
    for suite in suites:
        renamed, new = {}, set()
        for each in fields(suite.options):
            (flag,), kind = option_flags(each), each.metadata["settings"].get("type")
            if flag not in types:
                new.add(each.name)
            elif types[flag] is not kind:
                renamed[each.name] = f"--{suite.name}-{flag.removeprefix('--')}"
                new.add(each.name)
            types.setdefault(flag, kind)
        yield suite, renamed, new


def jobs(suites: Sequence[Suite], arguments: Sequence[str]) -> list[Job]:
    """Give each suite its own share of a command line that holds options of several suites."""
    found = []
    for suite, renamed, _ in shared_options(suites):
        parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
        add_options(parser, suite.options, renamed, required=False)
        parsed = vars(parser.parse_known_args(arguments)[0])
        needed = [each for each in fields(suite.options) if each.default is MISSING]
        missing = [option_flags(each)[0] for each in needed if parsed[each.name] is None]
        found.append(Job(suite, None if missing else build_options(suite.options, parsed), missing))
    return found


def run(
    name: str,
    jobs: Sequence[Job],
    command: Sequence[str],
    *,
    quick: bool,
    keep_going: bool,
    write: Callable[[Document], None],
) -> Document:
    """Run suites one after the other; ``keep_going`` records errors in place of raising them.

    ``write`` gets the document so far after each result of suites that ask for it, with the suite at work marked as cut
    off.
    """
    watch = Watch()
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        where = environment()
        lines = [f"{name}; {_HEADING}", *(f"{topic}: {text}" for topic, text in facts(where).items())]
        setting = clocks(watch.states[0])
        lines += [f"clocks: {setting}"] if setting else []
        show("\n".join([*lines, *(f"WARNING: {warning}" for warning in watch.busy_at_start())]))
        parts: list[Part] = []

        def write_so_far(part: Part) -> None:
            so_far = [*parts, replace(part, failed=_CUT_OFF)]
            write(Document(name, now(), command, quick, where, watch.conditions(), watch.warnings(), so_far))

        for job in jobs:
            parts.append(_part(job, watch, write_so_far, quick=quick, keep_going=keep_going))
            cv2.setNumThreads(1)  # a suite may have let OpenCV have all cores
    finally:
        cv2.setNumThreads(threads_before)
    warnings = watch.warnings()
    for warning in warnings:
        show(f"WARNING: {warning}")
    return Document(name, now(), command, quick, where, watch.conditions(), warnings, parts)


def _part(job: Job, watch: Watch, write: Callable[[Part], None], *, quick: bool, keep_going: bool) -> Part:
    suite, results = job.suite, list[Result]()
    if job.missing:
        skipped = f"it needs {', '.join(job.missing)}"
        show(f"\n{suite.name}: skipped, {skipped}")
        return Part(suite.name, skipped=skipped)
    if keep_going:
        show(f"\n== {suite.name}: {suite.summary}")
    start = time.perf_counter()
    try:
        for result in suite.run(job.options, QUICK if quick else FULL):
            watch.look()
            show(screen_text(result))
            results.append(result)
            if suite.write_each:
                write(Part(suite.name, results, [], round(time.perf_counter() - start, 3)))
    except HpeEdgeError as error:
        if not keep_going and not (suite.write_each and results):
            raise
        # Missing hardware or options are no failure; an error after the first result is.
        lacking = isinstance(error, BackendError | InputError) and not results
        show(f"\n{suite.name}: {'skipped' if lacking else 'FAILED'}, {error}")
        seconds = round(time.perf_counter() - start, 3)
        skipped, failed = (str(error), "") if lacking else ("", str(error))
        return Part(suite.name, results, [], seconds, skipped, failed)
    lines = suite.budget(results)
    if lines:
        show(budget_text(lines))
    return Part(suite.name, results, lines, round(time.perf_counter() - start, 3))
