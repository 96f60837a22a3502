"""Processes of a session: their processor time, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from types import TracebackType

_SAMPLE_S = 0.1


class ProcessSession:
    """All processes of a session, whatever their process groups are; a context manager, which watches them."""

    def __init__(self, number: int) -> None:
        """
        Args:
            number: id of the process that was started with ``start_new_session``.
        """
        self._number = number
        self._ticks: dict[tuple[int, str], int] = {}
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._sample, name="session clock")

    def processor_s(self) -> float:
        """Return the processor time of all processes so far.

        Of those that have ended, the last tenth of a second may be missing. Their parents may not have waited for them,
        so the kernel's sum for ended children would lack them.
        """
        self._look()
        with self._guard:
            return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Kill all processes."""
        for process, _ in self._look():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _look(self) -> list[tuple[int, str]]:
        """Note the times of the processes that run now, and return these."""
        now = {}
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                # From the third field of proc(5) on: the name before them may hold blanks.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == self._number:
                    now[int(folder.name), fields[19]] = int(fields[11]) + int(fields[12])  # with the time of its start
        with self._guard:
            self._ticks |= now
        return list(now)

    def _sample(self) -> None:
        while not self._closed.wait(_SAMPLE_S):
            self._look()

    def __enter__(self) -> ProcessSession:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._watch.join()
