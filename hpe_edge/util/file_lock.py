"""Lock on a file of the cache, held by one process and thread at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from hpe_edge.errors import OutputError
from hpe_edge.util.atomic import output_error


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a file in the cache, ``<path>.lock`` beside it; the system drops the lock of a killed process.

    Without locks, on Windows and some network drives, the block runs at once.

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
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
