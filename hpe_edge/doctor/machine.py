"""The few ways in which the probes ask a machine, so that a test can put a made-up machine in its place."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

_TRIALS = Path(__file__).resolve().parent / "trials"
_COMMAND_S = 20
_TRIAL_S = 120  # the first TensorRT session on a Jetson reads a gigabyte of libraries


@dataclass(frozen=True)
class Output:
    """What a command gave.

    Attributes:
        status: its exit status.
        text: its standard output.
    """

    status: int
    text: str


class Machine(Protocol):
    """A machine that answers. Each method answers with nothing instead of raising where there is nothing."""

    def system(self) -> dict[str, Any]:
        """``system`` and ``machine`` as ``platform`` names them, ``python``, and ``cores`` that may be used."""

    def read(self, path: str) -> str | None:
        """A text file; None where it is missing or cannot be read."""

    def run(self, *command: str) -> Output | None:
        """Run a command; None where there is no such program, or it hangs."""

    def trial(self, name: str, *arguments: str) -> dict[str, Any]:
        """Run a file of ``trials`` in a Python of its own and return the JSON object that it prints.

        ``stderr`` holds its last lines of standard error. Where it crashes or hangs, ``problem`` says so.
        """

    def packages(self) -> dict[str, str]:
        """Installed Python packages: name in lower case, with hyphens, to version."""

    def variable(self, name: str) -> str:
        """An environment variable; empty where it is not set."""


class ThisMachine:
    """The machine on which the program runs. Implements :class:`Machine`."""

    def system(self) -> dict[str, Any]:
        """See :class:`Machine`."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return {
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "cores": cores,
        }

    def read(self, path: str) -> str | None:
        """See :class:`Machine`."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def run(self, *command: str) -> Output | None:
        """See :class:`Machine`."""
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_COMMAND_S
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Output(done.returncode, done.stdout)

    def trial(self, name: str, *arguments: str) -> dict[str, Any]:
        """See :class:`Machine`."""
        # Run as a file: a module would be looked for in the current folder first, and there what it imports.
        command = [sys.executable, str(_TRIALS / f"{name}.py"), *arguments]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_TRIAL_S
            )
        except subprocess.TimeoutExpired:
            return {"problem": f"it hung for {_TRIAL_S} seconds", "stderr": ""}
        return parse_trial(done.returncode, done.stdout, done.stderr)

    def packages(self) -> dict[str, str]:
        """See :class:`Machine`."""
        found: dict[str, str] = {}
        for package in metadata.distributions():
            name = package.metadata["Name"]
            if name:  # a half-removed package has none
                found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), package.version)
        return found

    def variable(self, name: str) -> str:
        """See :class:`Machine`."""
        return os.environ.get(name, "")


def parse_trial(status: int, printed: str, stderr: str) -> dict[str, Any]:
    """What a trial found: the JSON object in its last line of output, or the problem that kept it from printing one."""
    last_lines = "\n".join(stderr.strip().splitlines()[-40:])
    answer: Any = None
    for line in reversed(printed.splitlines()):  # libraries print, too
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict):
            return {**answer, "stderr": last_lines}
    why = f"it was ended by signal {-status}" if status < 0 else f"exit status {status}"
    last = last_lines.splitlines()[-1] if last_lines else "it said nothing"
    return {"problem": f"{why}: {last}", "stderr": last_lines}
