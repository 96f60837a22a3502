"""Suite ``viewers``: frames per second of a pipeline whose live page is looked at, and under idle connections.

The clients run beside it on the same machine and take some of its cores themselves; the processor time per frame is
that of the pipeline's process alone, its server included.
"""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness.child_process import end_with_parent
from benchmarks.harness.suite import Suite, option, path_option, positive
from benchmarks.harness.timing import Effort, Result
from benchmarks.suites.video import Looped
from hpe_edge.errors import BackendError
from hpe_edge.live.server import LivePage
from hpe_edge.pipeline.track import track

CLIENTS = (("nobody", 0), ("viewers", 1), ("viewers", 10), ("viewers", 50), ("idle", 1200))
_QUICK_CLIENTS = (("nobody", 0), ("viewers", 2), ("idle", 20))
_QUICK_FRAMES = 20


@dataclass(frozen=True)
class Options:
    video: Path = path_option("with people", metavar="VIDEO")
    rounds: int = option("in each the clients take turns, in random order", 5, type=positive, metavar="N")
    frames: int = option("of the video, in each turn", 600, type=positive, metavar="N")


@dataclass(frozen=True)
class _Turn:
    frames_per_s: float
    processor_ms: float
    pictures_per_s: float
    log_lines: int


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    clients = _QUICK_CLIENTS if effort.quick else CLIENTS
    frames = _QUICK_FRAMES if effort.quick else options.frames
    turns: dict[tuple[str, int], list[_Turn]] = {each: [] for each in clients}
    order = random.Random(0)
    for _ in range(1 if effort.quick else options.rounds):
        for kind, count in order.sample(clients, len(clients)):
            turns[kind, count].append(_turn(options.video, frames, kind, count))
    alone = np.array([each.frames_per_s for each in turns["nobody", 0]])
    for (kind, count), seen in turns.items():
        speed = np.array([each.frames_per_s for each in seen])
        figures = {
            "frames_per_s": float(np.median(speed)),
            "of_nobody": float(np.median(speed / alone)),
            "processor_ms_per_frame": float(np.median([each.processor_ms for each in seen])),
            "pictures_per_s_and_client": float(np.median([each.pictures_per_s for each in seen])) / max(1, count),
            "most_log_lines": max(each.log_lines for each in seen),
        }
        parameters: dict[str, str | int] = {"clients": kind, "number": count, "frames": frames, "rounds": len(seen)}
        yield Result("viewers", parameters, figures=figures)


def _turn(video: Path, frames: int, kind: str, count: int) -> _Turn:
    """Run the pipeline over so many frames."""
    with LivePage() as page, _counted_log() as lines, _clients(kind, count, page.url) as ended:
        start_s, processor_s = time.perf_counter(), time.process_time()
        for result in track(Looped(video, frames)):
            page.publish(result)
        seconds = time.perf_counter() - start_s
        processor_s = time.process_time() - processor_s
        pictures = ended()
    return _Turn(frames / seconds, 1e3 * processor_s / frames, pictures / seconds, len(lines))


@contextmanager
def _counted_log() -> Iterator[list[str]]:
    """Collect what would be logged, such as by a server without file numbers."""
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Collect()
    logging.getLogger().addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _clients(kind: str, count: int, url: str) -> Iterator[Callable[[], int]]:
    """Run clients in a process of their own; the function ends them, and returns the number of pictures they saw."""
    if not count:
        yield lambda: 0
        return
    command = [sys.executable, "-m", "benchmarks.serving.page_clients", kind, str(count), url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "there\n":
            raise BackendError(f"the clients of the page ended with exit status {process.wait()}")
        yield lambda: int(process.communicate("")[0])


SUITE = Suite("viewers", "a pipeline's speed under browsers and idle connections", _run, Options)
