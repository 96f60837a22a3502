"""Steps of the GPU day and their outcomes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

SKIP_STATUS = 77  # exit status of a step that finds nothing to do; its last line says the reason

Status = Literal["running", "passed", "failed", "timed out", "skipped"]


@dataclass(frozen=True)
class Step:
    """One command of a part.

    In the command ``{folder}`` is the step's own folder for results, and ``{seconds}`` the time for measuring: what it
    has, less what it needs to start and to end.

    Attributes:
        promised_s: time that no earlier step can use up.
        needs: steps of the same part that must have passed.
        program: that must be found; empty for none but Python.
        carried: file of the carried folder that must be there; empty for none.
        results: JSON files that it writes into its folder.
        is_benchmark: its results are documents of ``python -m benchmarks``.
        environment: variables beside those of the day.
        overhead_s: part of its time that is not for measuring.
    """

    name: str
    command: Sequence[str]
    promised_s: float
    needs: Sequence[str] = ()
    program: str = ""
    carried: str = ""
    results: Sequence[str] = ()
    is_benchmark: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    overhead_s: float = 10.0

    def filled_in(self, folder: Path, limit_s: float) -> list[str]:
        """Return the command with the folder and the time."""
        seconds = str(max(int(limit_s - self.overhead_s), 1))
        return [word.replace("{folder}", str(folder)).replace("{seconds}", seconds) for word in self.command]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a step, as written beside its log.

    Attributes:
        reason: of a failure or skip.
        exit_status: None if nothing was run, or not to its end.
        tree: fingerprint of the sources that it ran on.
    """

    step: str
    status: Status
    reason: str
    exit_status: int | None
    seconds: float
    limit_s: float
    command: Sequence[str]
    tree: str

    @property
    def line(self) -> str:
        """One line for the summary."""
        return f"{self.step:<20} {self.status:<10} {self.seconds:6.1f} s  {self.reason}"[:200].rstrip()


def read_outcome(path: Path) -> Outcome | None:
    """Read an outcome; None if there is none, or half of one."""
    try:
        return Outcome(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_json(path: Path, content: Any) -> str:
    """Write JSON under a temporary name and rename it; return an error, such as a full disk, or an empty string."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, indent=1) + "\n")
        temporary.replace(path)
    except OSError as error:
        return f"{path.name} could not be written: {error.strerror or error}"
    return ""


def write_outcome(path: Path, outcome: Outcome) -> str:
    """Write an outcome; see :func:`write_json`."""
    return write_json(path, asdict(outcome))


def find_program(name: str) -> str | None:
    """Find a program on the PATH or among CUDA's."""
    places = [os.environ.get("PATH", os.defpath), "/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer"]
    return shutil.which(name, path=os.pathsep.join(places))
