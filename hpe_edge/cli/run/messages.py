"""Messages of a run on standard error, above its progress bar."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from hpe_edge.errors import BoxesWarning, printable
from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.sinks.window import Window
from hpe_edge.util.progress import print_above_bars, progress_bar
from hpe_edge.util.signals import StopSignals


def say(message: str) -> None:
    """Print a line; drop it where nothing takes it: the terminal may be gone (SIGHUP), and the results are kept."""
    with contextlib.suppress(OSError):
        print_above_bars(f"hpe-edge: {printable(message)}", sys.stderr)


class Messages:
    """Notes and other messages that are not essential; none with ``quiet``."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._followed: list[list[str]] = []
        self._printed: list[int] = []
        self._warnings: list[str] = []
        self.follow(self._warnings)

    def say(self, message: str) -> None:
        """Print a line."""
        if not self.quiet:
            say(message)

    def note(self, note: str) -> None:
        """Print a note."""
        self.say(f"note: {note}")

    def follow(self, *notes: list[str]) -> None:
        """Print what these lists hold and will hold, whenever ``flush`` is called."""
        self._followed += notes
        self._printed += [0] * len(notes)

    def flush(self) -> None:
        """Print the new notes."""
        for k, notes in enumerate(self._followed):
            for note in notes[self._printed[k] :]:
                self.note(note)
                self._printed[k] += 1

    @contextlib.contextmanager
    def taking_warnings(self) -> Iterator[None]:
        """Make notes of warnings about boxes, from any thread."""

        def take(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, BoxesWarning):
                self._warnings.append(str(message).replace("boxes_from=", "--boxes-from "))
            else:
                show(message, category, *place, **more)

        with warnings.catch_warnings():
            warnings.simplefilter("always", BoxesWarning)
            show = warnings.showwarning
            warnings.showwarning = take
            yield


def supervise(
    pipeline: Pipeline, total: int | None, messages: Messages, window: Window | None, stop: StopSignals
) -> Report:
    """Run the pipeline with a progress bar of ``total`` frames; print notes and serve the window meanwhile."""
    hidden = messages.quiet or not sys.stderr.isatty()
    with progress_bar(total=total, unit="frame", delay=1.0, leave=False, file=sys.stderr, disable=hidden) as bar:

        def tick() -> bool:
            messages.flush()
            bar.update(pipeline.report.frames - bar.n)
            return window is not None and window.serve()

        return pipeline.run(stop, tick)
