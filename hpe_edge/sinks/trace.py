"""Chrome trace of a run: stages by thread and the depth of the queues, for ui.perfetto.dev and chrome://tracing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpe_edge.errors import InputError
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.pipeline.stopwatch import QueueDepth, Span, Stopwatch
from hpe_edge.util.atomic import Pending, output_error

_PROCESS = 1


class TraceFile:
    """Trace in the JSON object format, written during the run. Implements :class:`hpe_edge.sinks.sink.Sink`.

    A slice (``"ph": "X"``) per stage and frame on the track of its thread, a counter (``"C"``) per queue, and metadata
    (``"M"``) with the names of the threads; times in microseconds.

    Source: Trace Event Format, Google, 2016.
    """

    def __init__(self, path: Path, watch: Stopwatch) -> None:
        """
        Args:
            path: JSON file to write.
            watch: of the run; it must collect events.

        Raises:
            InputError: the name does not end in .json.
            OutputError: the file cannot be written.
        """
        if path.suffix.lower() != ".json":
            raise InputError(
                f"a profile is a Chrome trace in JSON, got the name {path}; let it end in .json and open it at "
                "https://ui.perfetto.dev"
            )
        assert watch.events is not None
        self._path, self._events = path, watch.events
        self._threads: dict[str, int] = {}
        self.pending: Pending | None = Pending(path)
        try:
            self._file = self.pending.temp.open("w", encoding="utf-8")
        except OSError as error:
            self.pending.discard()
            raise output_error(path, error) from None
        self._separator = '{"displayTimeUnit": "ms", "traceEvents": [\n'

    def write(self, result: Result) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`. Writes the events since the last frame."""
        try:
            self._drain()
        except OSError as error:
            raise output_error(self._path, error) from None

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        try:
            self._write({"ph": "M", "name": "process_name", "pid": _PROCESS, "args": {"name": "hpe-edge"}})
            self._drain()
            self._file.write("\n]}\n")
            self._file.close()
        except OSError as error:
            raise output_error(self._path, error) from None

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        try:
            self._file.close()
        except OSError:  # a full disk; the file is discarded anyway
            return

    def _drain(self) -> None:
        while self._events:
            for event in self._in_chrome_format(self._events.popleft()):
                self._write(event)

    def _write(self, event: dict[str, Any]) -> None:
        self._file.write(self._separator + json.dumps(event))
        self._separator = ",\n"

    def _in_chrome_format(self, event: Span | QueueDepth) -> Iterator[dict[str, Any]]:
        if isinstance(event, QueueDepth):
            name, values = f"{event.queue} queue", {"frames": event.items}
            yield {"ph": "C", "name": name, "pid": _PROCESS, "ts": _us(event.time_s), "args": values}
            return
        if event.thread not in self._threads:
            self._threads[event.thread] = number = len(self._threads) + 1
            thread = {"ph": "M", "pid": _PROCESS, "tid": number}
            yield {**thread, "name": "thread_name", "args": {"name": event.thread}}
            yield {**thread, "name": "thread_sort_index", "args": {"sort_index": number}}
        yield {
            "ph": "X",
            "name": event.stage,
            "cat": "stage",
            "pid": _PROCESS,
            "tid": self._threads[event.thread],
            "ts": _us(event.start_s),
            "dur": _us(event.end_s) - _us(event.start_s),
            "args": {"frame": event.frame} if event.frame >= 0 else {},
        }


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
