"""Standard output and standard error of the commands, even if closed, full or limited to ASCII."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def prepare() -> None:
    """Replace closed streams, and escape characters that standard output cannot encode."""
    # A closed stream is None. Its replacement takes its descriptor, so that no result file gets that number and then
    # the output of a C library. Writes to standard output fail as for a closed one, and messages are discarded.
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def show(text: str = "") -> None:
    """Print lines to standard output; without text, flush it.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        OutputError: it is closed, the disk is full, or the like.
    """
    with _failing_once():
        print(text, end="\n" if text else "", flush=True)


def show_bytes(data: bytes) -> None:
    """Write to standard output as it is, and flush it; errors as :func:`show`."""
    with _failing_once():
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


@contextlib.contextmanager
def _failing_once() -> Iterator[None]:
    """Turn an error of standard output into ours, and send what follows nowhere."""
    try:
        yield
    except OSError as error:
        # Python must not try to flush it again on the way out.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        from hpe_edge.util.atomic import output_error

        raise output_error("standard output", error) from None


@contextlib.contextmanager
def without_stderr_lines(part: bytes) -> Iterator[None]:
    """Keep lines that a C library writes to standard error off it if they hold ``part``; others follow at the end.

    It holds what fits in a pipe.
    """
    try:
        real = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    reading, writing = os.pipe()
    if hasattr(os, "set_blocking"):  # on Windows from Python 3.12 on
        os.set_blocking(writing, False)  # too much is lost rather than waited for
    os.dup2(writing, 2)
    try:
        yield
    finally:
        os.dup2(real, 2)
        os.close(writing)
        os.close(real)
        with os.fdopen(reading, "rb") as held:
            rest = b"".join(line for line in held if part not in line)
        with contextlib.suppress(OSError):
            os.write(2, rest)


def print_message(message: str) -> None:
    """Print a line to standard error; drop it where that takes nothing, such as a terminal that has gone."""
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr)


def flush_messages() -> None:
    """Flush standard error; discard what cannot be written, which would make Python fail at exit."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def counted(count: int, one: str, many: str = "") -> str:
    """Format a count with its noun: 1 frame, 2 frames; ``many`` if the plural is not ``one`` with an s."""
    return f"{count} {one if count == 1 else many or one + 's'}"
