"""Reads from a pipe that a caller can leave: each waits a moment at most."""

from __future__ import annotations

import os
import queue
import select
import threading
from typing import Protocol

_WAIT_S = 0.1  # longest delay of a run's end by an idle pipe
_CHUNK = 1 << 20
_AHEAD = 4  # chunks


class Pipe(Protocol):
    """Reader of one pipe."""

    def read_into(self, room: memoryview) -> int | None:
        """Read what has come; return the number of bytes, 0 at the pipe's end, None if nothing came for a moment.

        Raises:
            OSError: the pipe cannot be read.
        """


def open_pipe(descriptor: int) -> Pipe:
    """Return the reader of a pipe that the caller keeps open."""
    return _Polled(descriptor) if hasattr(select, "poll") and hasattr(os, "readv") else _Threaded(descriptor)


class _Polled:
    """Waits by ``poll`` and reads in place."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLIN)

    def read_into(self, room: memoryview) -> int | None:
        return os.readv(self._descriptor, [room]) if self._ready.poll(1e3 * _WAIT_S) else None


class _Threaded:
    """Reads in a thread, for systems whose pipes cannot be waited for with a limit on time, such as Windows."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._came: queue.Queue[bytes | OSError] = queue.Queue(_AHEAD)
        self._rest = memoryview(b"")
        self._ended = False
        threading.Thread(target=self._read, name="pipe", daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data: bytes | OSError = os.read(self._descriptor, _CHUNK)
            except OSError as error:
                data = error
            self._came.put(data)
            if not data or isinstance(data, OSError):
                return

    def read_into(self, room: memoryview) -> int | None:
        if not self._rest:
            if self._ended:
                return 0
            try:
                data = self._came.get(timeout=_WAIT_S)
            except queue.Empty:
                return None
            if isinstance(data, OSError):
                raise data
            self._rest, self._ended = memoryview(data), not data
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
