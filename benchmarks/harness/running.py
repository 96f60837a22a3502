"""Runs suites, shows what they find, and keeps it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2

from benchmarks.harness.environment import environment
from benchmarks.harness.machine_state import Watch, busy_at_start
from benchmarks.harness.schema import Document, Part, now
from benchmarks.harness.timing import FULL, QUICK, Result
from benchmarks.report.screen import clocks, heading, table, verdicts
from benchmarks.suites.everything import Job
from hpe_edge.errors import BackendError, HpeEdgeError, InputError


def run(name: str, jobs: Sequence[Job], command: Sequence[str], quick: bool, keep_going: bool) -> Document:
    """Run suites one after the other and print every result when it is there.

    Args:
        name: of the run.
        jobs: suites and their options.
        command: the command line, for the document.
        quick: a few runs each.
        keep_going: whether a suite that cannot run or fails leaves the others their turn.

    Raises:
        HpeEdgeError: a suite failed, and ``keep_going`` is False.
    """
    watch = Watch()
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        surroundings = environment()
        print(heading(name, surroundings), flush=True)
        said = clocks(watch.states[0])
        if said:
            print(f"clocks: {said}", flush=True)
        for warning in busy_at_start(watch.states[0], surroundings["hardware"]["cores_usable"]):
            print(f"WARNING: {warning}", flush=True)
        parts = []
        for job in jobs:
            parts.append(_part(job, quick, watch, keep_going))
            cv2.setNumThreads(1)  # a suite may have let OpenCV have all cores
    finally:
        cv2.setNumThreads(threads_before)
    warnings = watch.warnings()
    for warning in warnings:
        print(f"WARNING: {warning}", flush=True)
    return Document(name, now(), command, quick, surroundings, watch.conditions(), warnings, parts)


def _part(job: Job, quick: bool, watch: Watch, keep_going: bool) -> Part:
    suite, results = job.suite, list[Result]()
    if job.args is None:
        skipped = f"it needs {', '.join(job.lacks)}"
        print(f"\n{suite.name}: skipped, {skipped}", flush=True)
        return Part(suite.name, skipped=skipped)
    if keep_going:
        print(f"\n== {suite.name}: {suite.summary}", flush=True)
    start = time.perf_counter()
    try:
        for result in suite.run(job.args, QUICK if quick else FULL):
            watch.look()
            print(table(result), flush=True)
            results.append(result)
    except HpeEdgeError as error:
        if not keep_going:
            raise
        # What a machine or the command line lacks is no failure; whatever comes up once the suite has begun, is.
        lacking = isinstance(error, BackendError | InputError) and not results
        print(f"\n{suite.name}: {'skipped' if lacking else 'FAILED'}, {error}", flush=True)
        seconds = round(time.perf_counter() - start, 3)
        skipped, failed = (str(error), "") if lacking else ("", str(error))
        return Part(suite.name, results, [], seconds, skipped, failed)
    lines = suite.budget(results)
    if lines:
        print(verdicts(lines), flush=True)
    return Part(suite.name, results, lines, round(time.perf_counter() - start, 3))
