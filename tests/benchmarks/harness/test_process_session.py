"""Processor time and end of the processes of a session, beside what the processes themselves measure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness.process_session import ProcessSession

# A shell that does not wait for its child, so that the kernel does not add the child's time to its own.
BURN = "import time\nwhile time.process_time() < {0}: pass\nprint('burnt', flush=True)\n{1}"


def started(code: str) -> subprocess.Popen[str]:
    shell = ["sh", "-c", '"$0" -c "$1" & exec sleep 60', sys.executable, code]
    return subprocess.Popen(shell, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_the_time_of_ended_processes_counts() -> None:
    with started(BURN.format(0.6, "time.sleep(0.3)")) as shell, ProcessSession(shell.pid) as session:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "burnt\n"
        assert 0.5 < session.processor_s() < 3
        shell.stdout.close()
        session.kill()
        assert shell.wait(10) != 0
        assert session.processor_s() > 0.5


def test_processes_of_groups_of_their_own_end() -> None:
    code = BURN.format(0, "import os\nos.setpgid(0, 0)\nprint(os.getpid(), flush=True)\ntime.sleep(60)")
    with started(code) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        child = int(shell.stdout.readline())
        try:
            ProcessSession(shell.pid).kill()
            end_s = time.monotonic() + 10
            while runs(child) and time.monotonic() < end_s:
                time.sleep(0.01)
            assert not runs(child)
        finally:
            if runs(child):
                os.kill(child, signal.SIGKILL)


def runs(process: int) -> bool:
    """Whatever nobody has waited for has ended all the same."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
