"""A command under a time limit, killed with everything it started."""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.gpu_day.bounded_log import BoundedLog

MOST_FILE_BYTES = 2 << 30  # of one file that a command writes
GRACE_S = 2.0  # from SIGTERM to SIGKILL
_LOOK_S = 0.2
_MARK = "HPE_EDGE_GPU_DAY_STEP"


@dataclass(frozen=True)
class Ended:
    """End of a command.

    Attributes:
        exit_status: as a shell shows it, 128 plus the number of a signal; None if the command could not be started.
        timed_out: it was killed at its limit.
        seconds: from start to end.
        last_line: of its output, or the error of the start.
        log_error: a reason why the log is incomplete; empty if it is complete.
    """

    exit_status: int | None
    timed_out: bool
    seconds: float
    last_line: str
    log_error: str = ""


def run_bounded(
    command: Sequence[str],
    log: Path,
    limit_s: float,
    environment: Mapping[str, str],
    folder: Path,
    *,
    meanwhile: Callable[[], None] = lambda: None,
    every_s: float = 15.0,
) -> Ended:
    """Run a command for at most ``limit_s`` seconds, its output in a log; nothing that it does is raised.

    At its end all processes that inherited its environment are killed, also those in sessions of their own.

    Args:
        command: program and arguments.
        log: replaced, see :class:`BoundedLog`.
        limit_s: after which it is killed.
        environment: of the command.
        folder: it runs in.
        meanwhile: called every ``every_s`` seconds while it runs.
        every_s: see ``meanwhile``.
    """
    mark, start, kept = secrets.token_hex(8), time.monotonic(), BoundedLog(log)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, _MARK: mark},
            cwd=folder,
            start_new_session=True,
            preexec_fn=_limit_file_sizes,
        )
    except OSError as error:
        kept.close()
        return Ended(None, False, 0.0, f"{command[0]} cannot be started: {error.strerror or error}", kept.error)
    try:
        timed_out = _read(process, kept, start + limit_s, meanwhile, every_s)
    finally:
        _kill_all(mark, process)
        assert process.stdout is not None
        _copy(process.stdout.fileno(), kept, time.monotonic() + GRACE_S)  # the last words
        process.stdout.close()
        kept.close()
    code = process.wait()
    seconds = round(time.monotonic() - start, 3)
    return Ended(128 - code if code < 0 else code, timed_out, seconds, kept.last_line(), kept.error)


def _limit_file_sizes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE_BYTES, MOST_FILE_BYTES))


def _read(
    process: subprocess.Popen[bytes], log: BoundedLog, end: float, meanwhile: Callable[[], None], every_s: float
) -> bool:
    """Copy the output until the command ends; return True if ``end`` came first."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    due = time.monotonic() + every_s
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            over = process.poll() is not None
            if selector.select(0 if over else _LOOK_S) and not _copy(pipe, log, end) and not over:
                time.sleep(_LOOK_S)  # the output was closed, and the command goes on
            if over:
                return False
            now = time.monotonic()
            if now > end:
                return True
            if now > due:
                meanwhile()
                due = time.monotonic() + every_s


def _copy(pipe: int, log: BoundedLog, end: float) -> bool:
    """Copy the available output, until ``end`` at most; return False if there will be no more."""
    while output := _available(pipe):
        log.add(output)
        if time.monotonic() > end:
            return True
    return output is None


def _available(descriptor: int) -> bytes | None:
    """Read output; empty at its end, None if there is none now."""
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return None


def _kill_all(mark: str, process: subprocess.Popen[bytes]) -> None:
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        end = time.monotonic() + wait_s
        for each in _marked(mark):
            with contextlib.suppress(OSError):
                os.kill(each, number)
        while time.monotonic() < end and (process.poll() is None or any(_marked(mark))):
            time.sleep(0.05)
    if process.poll() is None:  # it cleared its environment
        process.kill()


def _marked(mark: str) -> Iterator[int]:
    """Yield the processes whose environment has the mark; ended ones have none."""
    wanted = f"{_MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)
