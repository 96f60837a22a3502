"""Access to a machine for the probes, behind a protocol that tests can mock, and the result of a probe."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol

from hpe_edge.util.cores import usable_cores

Status = Literal["found", "missing", "broken"]

_TRIALS = Path(__file__).resolve().with_name("trials.py")
_COMMAND_S = 20
_TRIAL_S = 120  # the first TensorRT session on a Jetson reads a gigabyte of libraries


@dataclass(frozen=True)
class Finding:
    """Result of one probe.

    Attributes:
        status: ``"found"``: present, and works as far as tried; ``"missing"``: absent; ``"broken"``: present, but does
            not work or could not be examined.
        text: one line for people.
        facts: details for programs; plain JSON values.
    """

    status: Status
    text: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """True if it is present and works."""
        return self.status == "found"


def guarded(probe: Callable[..., Finding], *arguments: object) -> Finding:
    """Run a probe; turn an exception into a finding, so that one failure does not hide the rest."""
    try:
        return probe(*arguments)
    except Exception as error:  # machines differ in what fails
        return Finding("broken", f"could not be examined ({type(error).__name__}: {error})")


@dataclass(frozen=True)
class Output:
    """Result of a command.

    Attributes:
        status: its exit status.
        text: its standard output.
    """

    status: int
    text: str


class Machine(Protocol):
    """Access to a machine. Methods return an empty value or None instead of raising."""

    def system(self) -> dict[str, Any]:
        """Return ``system`` and ``machine`` as in ``platform``, ``python``, and the usable ``cores``."""

    def read(self, path: str) -> str | None:
        """Read a text file; None if it is missing or cannot be read."""

    def run(self, *command: str) -> Output | None:
        """Run a command; None if the program is missing or hangs."""

    def trial(self, name: str, *arguments: str) -> dict[str, Any]:
        """Run a function of :mod:`hpe_edge.doctor.trials` in a subprocess; return the JSON object that it prints.

        ``stderr`` holds its last lines of standard error, ``problem`` the reason if it crashes or hangs.
        """

    def packages(self) -> dict[str, str]:
        """Return the installed Python packages: name in lower case with hyphens -> version."""

    def variable(self, name: str) -> str:
        """Return an environment variable; empty if it is not set."""

    def detectors(self) -> dict[str, bool]:
        """Return the face detectors that are fetched by name, and whether the cache has them."""


class ThisMachine:
    """The machine on which the program runs. Implements :class:`Machine`."""

    def system(self) -> dict[str, Any]:
        """See :class:`Machine`."""
        return {
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "cores": usable_cores(),
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
        # Run as a file: with -m, the current folder would be searched first, also for its imports.
        command = [sys.executable, str(_TRIALS), name, *arguments]
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
            if name:  # a partly removed package has none
                found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), package.version)
        return found

    def variable(self, name: str) -> str:
        """See :class:`Machine`."""
        return os.environ.get(name, "")

    def detectors(self) -> dict[str, bool]:
        """See :class:`Machine`."""
        from hpe_edge.fetch.detector_files import DETECTOR_FILES, cached_detectors

        cached = cached_detectors()
        return {name: name in cached for name in DETECTOR_FILES}


def parse_trial(status: int, printed: str, stderr: str) -> dict[str, Any]:
    """Return the last JSON object in a trial's output, or the problem if there is none."""
    last_lines = "\n".join(stderr.strip().splitlines()[-40:])
    answer: Any = None
    for line in reversed(printed.splitlines()):  # libraries print as well
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict):
            return {**answer, "stderr": last_lines}
    why = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
    last = last_lines.splitlines()[-1] if last_lines else "no output"
    return {"problem": f"{why}: {last}", "stderr": last_lines}


def debian_version(machine: Machine, package: str) -> str:
    """Return the version of a Debian package; empty if it is not installed."""
    answer = machine.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)
    state, _, version = answer.text.partition(" ") if answer and answer.status == 0 else ("", "", "")
    return version.strip() if state == "installed" else ""


def library_majors(machine: Machine, name: str) -> list[int]:
    """Return the major versions of a library known to the loader: [8] for libcudnn.so.8."""
    answer = machine.run("ldconfig", "-p") or machine.run("/sbin/ldconfig", "-p")  # sbin is not in every PATH
    listed = answer.text if answer else ""
    return sorted({int(major) for major in re.findall(rf"^\s*{re.escape(name)}\.so\.(\d+)\b", listed, re.MULTILINE)})


def named(packages: dict[str, str], pattern: str) -> dict[str, str]:
    """Select the Python packages whose whole name matches."""
    return {name: version for name, version in sorted(packages.items()) if re.fullmatch(pattern, name)}


def listed(packages: dict[str, str]) -> str:
    """Join packages and their versions."""
    return ", ".join(f"{name} {version}" for name, version in packages.items())
