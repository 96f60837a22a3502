"""Lock on a file of the cache, held by one process and thread at a time."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from hpe_edge.errors import OutputError
from hpe_edge.util.atomic import output_error

_POLLED_S = 0.1


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a file in the cache, ``<path>.lock`` beside it; the system drops the lock of a killed process.

    Without locks, as on some network drives, the block runs at once.

    Args:
        path: the file; its folder is made if missing.
        waiting: called if another one holds the lock, before the wait.

    Raises:
        OutputError: the folder or the lock cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise OutputError(f"{output_error(path, error)}; the folder follows XDG_CACHE_HOME") from None
    with lock:
        with contextlib.suppress(OSError):
            if not _take(lock, wait=False):
                waiting()
                _take(lock, wait=True)
        yield


def _take(lock: IO[str], *, wait: bool) -> bool:
    """Lock an open file until it is closed; False if another one holds it and ``wait`` is not wanted."""
    try:
        import fcntl
    except ImportError:
        return _take_on_windows(lock, wait=wait)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _take_on_windows(lock: IO[str], *, wait: bool) -> bool:
    msvcrt: Any = importlib.import_module("msvcrt")
    while True:
        try:
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)  # its blocking form gives up after ten tries
            return True
        except PermissionError:  # another one holds it
            if not wait:
                return False
            time.sleep(_POLLED_S)
