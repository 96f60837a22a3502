"""The commands where Python has nothing that only POSIX systems have, as on Windows and, in part, on macOS.

The process takes away what those systems lack before it imports hpe_edge. Paths and the console stay Linux's.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import cv2
import pytest

from hpe_edge.models import DEFAULT
from hpe_edge.samples import PHOTO
from hpe_edge.util import file_lock
from hpe_edge.util.cores import usable_cores

# By the documentation of os, signal, select and the POSIX modules: "Availability: not Windows". sysconf stays: it is
# asked where /proc/stat is, as here.
WITHOUT = """
import asyncio, contextlib, importlib, os, select, signal, subprocess, sys
for name in ("numpy", "cv2", "onnxruntime", "tqdm", "aiohttp.web", "matplotlib.pyplot", "PIL.Image"):
    with contextlib.suppress(ImportError):  # the wheels of Linux need what is Linux's
        importlib.import_module(name)
for name in "fcntl termios tty pty pwd grp resource curses".split():
    sys.modules[name] = None
of_os = \"\"\"sched_getaffinity sched_setaffinity geteuid getuid getegid killpg setsid fork forkpty
    uname statvfs fstatvfs fchmod fchown chown mkfifo readv writev pread pwrite preadv pwritev posix_fadvise nice
    getloadavg set_blocking ctermid wait3 wait4\"\"\"
of_signal = \"\"\"SIGHUP SIGQUIT SIGKILL SIGUSR1 SIGUSR2 SIGALRM SIGPIPE SIGTSTP SIGWINCH setitimer pthread_sigmask
    sigwait siginterrupt\"\"\"
for module, names in ((os, of_os), (signal, of_signal), (select, "poll epoll")):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.argv[:] = sys.argv[1:]
from hpe_edge.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str, folder: Path, given: bytes = b"") -> Done:
    environment = os.environ | {"HPE_EDGE_OFFLINE": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "hpe-edge", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        input=given,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("run", "--help"),
        ("info", str(DEFAULT)),
        ("doctor",),
        ("run", str(PHOTO), "--csv", "poses.csv", "-o", "posed.jpg"),
        ("bench", "--batch", "1", "--seconds", "0.1"),
        ("demo", "--help"),
        ("plot", "--help"),
        ("serve", "--help"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_command(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = command(*arguments, folder=tmp_path)
    assert "Traceback" not in done.stderr and done.returncode == 0, done.stderr


def test_raw_frames_on_standard_input(tmp_path: Path) -> None:
    photo = cv2.imread(str(PHOTO))
    height, width = photo.shape[:2]
    arguments = ("run", "-", "--raw", f"{width}x{height}@5", "--csv", "poses.csv")
    done = command(*arguments, folder=tmp_path, given=2 * photo.tobytes())
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "poses.csv").read_text().splitlines()[1:]
    assert len(rows) == 2


def test_an_error_is_a_message_there_too(tmp_path: Path) -> None:
    done = command("run", "absent.jpg", folder=tmp_path)
    assert done.returncode == 1 and "absent.jpg" in done.stderr and "Traceback" not in done.stderr


def test_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    if hasattr(os, "sched_getaffinity"):
        assert usable_cores() == len(os.sched_getaffinity(0))
        monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


class Windows:
    """``msvcrt.locking`` by its documentation: PermissionError where another handle has the region."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held: set[tuple[int, int]] = set()
        self.asked = 0

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        self.asked += 1
        inode = os.fstat(descriptor).st_ino
        self.held = {(own, file) for own, file in self.held if _is_open(own)}  # closing a file unlocks it
        if any(file == inode and own != descriptor for own, file in self.held):
            raise PermissionError(13, "Permission denied")
        self.held.add((descriptor, inode))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_the_lock_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, original = Windows(), importlib.import_module
    monkeypatch.setitem(sys.modules, "fcntl", None)
    find = SimpleNamespace(import_module=lambda name: windows if name == "msvcrt" else original(name))
    monkeypatch.setattr(file_lock, "importlib", find)
    monkeypatch.setattr(file_lock, "_POLLED_S", 0.005)
    waited, order = threading.Event(), []

    def second() -> None:
        with file_lock.locked(tmp_path / "a", waited.set):
            order.append("second")

    with file_lock.locked(tmp_path / "a"):
        other = threading.Thread(target=second)
        other.start()
        assert waited.wait(30)
        time.sleep(0.02)
        order.append("first")
    other.join(30)
    assert order == ["first", "second"] and windows.asked > 3


def test_the_doctor_finds_the_machine_there(tmp_path: Path) -> None:
    done = command("doctor", "--json", folder=tmp_path)
    assert json.loads(done.stdout), done.stderr
