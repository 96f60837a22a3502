"""Helpers of the tests of the commands."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import hpe_edge

SAMPLES = Path(hpe_edge.__file__).parent / "samples"


def command(*parts: object) -> list[str]:
    return [str(part) for part in parts]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def shell(line: str, *parts: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which $HPE is the command with ``parts``."""
    return subprocess.run(
        ["sh", "-c", line.replace("$HPE", '"$@"'), "sh", sys.executable, "-m", "hpe_edge", *command(*parts)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
