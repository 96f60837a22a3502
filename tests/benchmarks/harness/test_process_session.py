"""Processor time and end of the processes of a session, beside what the processes themselves measure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness.process_session import ProcessSession

BURNT_S = 0.6
BURN = f"import os, time\nwhile time.process_time() < {BURNT_S}: pass\nprint(os.getpid(), flush=True)\ntime.sleep(0.3)"
OWN_GROUP = "import os, time\nos.setpgid(0, 0)\nprint(os.getpid(), flush=True)\ntime.sleep(60)"


def started(code: str) -> tuple[subprocess.Popen[str], int]:
    """A shell in a session of its own with a Python, which it waits for; and the Python's id."""
    shell = subprocess.Popen(
        ["sh", "-c", '"$0" -c "$1"; exec sleep 60', sys.executable, code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert shell.stdout is not None
    with shell.stdout as lines:
        return shell, int(lines.readline())


def within_10_s(condition: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + 10
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.01)
    return condition()


def runs(process: int) -> bool:
    """Whatever nobody has waited for has ended all the same."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_time_of_ended_processes_counts() -> None:
    shell, burner = started(BURN)
    with ProcessSession(shell.pid) as session:
        assert within_10_s(lambda: not Path(f"/proc/{burner}").exists())
        assert BURNT_S - 0.1 < session.processor_s() < BURNT_S + 2
        session.kill()
    assert shell.wait() == -signal.SIGKILL


def test_processes_of_groups_of_their_own_end() -> None:
    shell, other = started(OWN_GROUP)
    try:
        ProcessSession(shell.pid).kill()
        assert shell.wait() == -signal.SIGKILL
        assert within_10_s(lambda: not runs(other))
    finally:
        if runs(other):
            os.kill(other, signal.SIGKILL)
