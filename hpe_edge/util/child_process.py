"""Work in a child process: libraries that a damaged file can crash or hold for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

_START = "import sys; sys.path[:] = sys.argv[1].split({0!r}); from {1} import main_of_child; main_of_child()"
_FAILED = 1  # exit status after an exception


class ChildError(Exception):
    """The child crashed, failed or did not end; the message says which: "crashed with SIGSEGV"."""


def run_in_child(module: str, arguments: Sequence[str], limit_s: float) -> bytes:
    """Run a module's ``main(arguments) -> bytes`` in another process of this Python, and return what it returned.

    The child imports from the same folders as this process, and never from the current one. It writes nothing.

    Args:
        module: its full name.
        arguments: text for ``main``.
        limit_s: time after which the child is ended.

    Raises:
        ChildError: it crashed, raised, or did not end in time.
        OSError: it cannot be started.
    """
    start = _START.format(os.pathsep, __name__)
    folders = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
    command = [sys.executable, "-I", "-c", start, folders, module, *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        raise ChildError(f"did not end within {limit_s:g} s") from None
    if done.returncode < 0:
        raise ChildError(f"crashed with {signal.Signals(-done.returncode).name}")
    if done.returncode:
        raise ChildError("failed")
    return done.stdout


def main_of_child() -> None:
    """Run the module that the arguments name; its result goes to standard output, which no library writes to."""
    module, arguments = sys.argv[2], sys.argv[3:]
    result = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    status = 0
    try:
        with os.fdopen(result, "wb") as output:
            output.write(import_module(module).main(arguments))
    except Exception:
        status = _FAILED
    os._exit(status)  # no library's clean-up, which a damaged file could crash too
