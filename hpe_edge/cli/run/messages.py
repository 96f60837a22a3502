"""Messages of a run on standard error, above its progress bar."""

from __future__ import annotations

import contextlib
import sys

from tqdm import tqdm

from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sinks.window import Window
from hpe_edge.sources.frame import Source
from hpe_edge.util.signals import StopSignals


def say(message: str) -> None:
    """Print a line; drop it where nothing takes it: the terminal may be gone (SIGHUP), and the results are kept."""
    with contextlib.suppress(OSError):
        tqdm.write(f"hpe-edge: {message}", file=sys.stderr)  # goes above a progress bar


def supervise(
    pipeline: Pipeline,
    source: Source,
    outputs: Outputs,
    window: Window | None,
    stop: StopSignals,
    frame_limit: int | None,
) -> Report:
    """Run the pipeline with a progress bar; print the notes of source and outputs, and serve the window meanwhile."""
    printed = [0] * (1 + len(outputs.notes))
    total = min(filter(None, (source.count, frame_limit)), default=None)
    with tqdm(
        total=total, unit="frame", delay=1.0, leave=False, file=sys.stderr, disable=not sys.stderr.isatty()
    ) as bar:

        def tick() -> bool:
            for k, notes in enumerate([source.notes, *outputs.notes]):
                for note in notes[printed[k] :]:
                    say(f"note: {note}")
                    printed[k] += 1
            bar.update(pipeline.report.frames - bar.n)
            return window is not None and window.serve()

        return pipeline.run(stop, tick)
