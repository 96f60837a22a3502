"""Suite ``install``: a wheel in a new environment without a compiler: time, size, first pose, and its removal.

The wheels are those of ``bash .ci/wheels``. Time includes the transfer of other packages from where pip finds them.
Size is that of all files of the environment's packages but pip's own and setuptools'; a first pose is the whole
command, from the start of Python on.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.suite import BudgetLine, Suite, path_option
from benchmarks.harness.timing import Effort, Result
from hpe_edge.errors import InputError, SourceError

EXTRAS = ("", "video", "video,onnxruntime")
MOST_WHEEL_MB, MOST_MB, MOST_SECONDS = 6.0, 200.0, 60.0
_POSE = """\
import numpy, hpe_edge
poses = hpe_edge.PoseEngine()(numpy.full((480, 640, 3), 90, numpy.uint8), [[200, 100, 320, 230]])
assert len(poses) == 1
"""
_TAG = "import sys; print('cp%d%d' % sys.version_info[:2])"
_NOT_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth", "__pycache__")


@dataclass(frozen=True)
class Options:
    wheels: Path = path_option("folder of wheels, such as that of .ci/wheels", metavar="FOLDER")
    pythons: Sequence[Path] = path_option("programs of Python to install for", metavar="PYTHON", nargs="+")


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    for python in options.pythons:
        tag = _said([str(python), "-c", _TAG]).strip()
        wheels = sorted(options.wheels.glob(f"hpe_edge-*-{tag}-*.whl"))
        if len(wheels) != 1:
            raise InputError(f"{options.wheels} has {len(wheels)} wheels of hpe_edge for {tag}, one is needed")
        for extras in EXTRAS:
            yield _installed(python, tag, wheels[0], extras)


def _installed(python: Path, tag: str, wheel: Path, extras: str) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([str(python), "-m", "venv", str(folder / "venv")], check=True)
        own = folder / "venv" / "bin" / "python"
        wanted = f"hpe-edge[{extras}] @ {wheel.resolve().as_uri()}" if extras else str(wheel.resolve())
        seconds = _timed([str(own), "-m", "pip", "install", "-q", wanted], folder)
        held = _size_bytes(own)
        figures = {
            "wheel_mb": wheel.stat().st_size / 1e6,
            "install_seconds": seconds,
            "installed_mb": sum(held.values()) / 1e6,
            "own_mb": sum(size for package, size in held.items() if package.startswith(("hpe_edge", "export"))) / 1e6,
            "packages": float(len(json.loads(_said([str(own), "-m", "pip", "list", "--format=json"])))),
            "first_pose_seconds": _timed([str(own), "-c", _POSE], folder),
        }
        if "video" in extras:
            command = str(own.with_name("hpe-edge"))
            figures["demo_seconds"] = _timed([command, "demo", "-o", str(folder / "demo.jpg")], folder)
            _timed([command, "bench", "--batch", "1", "--seconds", "0.2"], folder)
        _timed([str(own), "-m", "pip", "uninstall", "-q", "-y", "hpe-edge"], folder)
        figures["left_bytes"] = float(
            sum(size for package, size in _size_bytes(own).items() if package.startswith(("hpe_edge", "export")))
        )
        return Result("install", {"python": tag, "extras": extras or "none"}, figures=figures)


def _size_bytes(python: Path) -> dict[str, int]:
    """Bytes of each package in an environment, by the names in its folder."""
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    found = {}
    for each in packages.iterdir():
        if not each.name.startswith(_NOT_OURS):
            files = [each] if each.is_file() else [path for path in each.rglob("*") if path.is_file()]
            found[each.name] = sum(path.stat().st_size for path in files if path.suffix != ".pyc")
    return found


def _timed(command: Sequence[str], folder: Path) -> float:
    """Run a command away from the checkout, with compilers that fail; return its seconds."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {"CC": "/bin/false", "CXX": "/bin/false"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise SourceError(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return time.perf_counter() - start


def _said(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    for result in results:
        of, what = result.figures, f"{result.parameters['python']}, extras {result.parameters['extras']}"
        found = f"wheel {of['wheel_mb']:.1f} MB, {of['installed_mb']:.0f} MB in {of['install_seconds']:.0f} s"
        met = (
            float(of["wheel_mb"] or 0) <= MOST_WHEEL_MB
            and float(of["installed_mb"] or 0) <= MOST_MB
            and float(of["install_seconds"] or 0) <= MOST_SECONDS
            and not of["left_bytes"]
        )
        limit = f"wheel {MOST_WHEEL_MB:g} MB, {MOST_MB:g} MB in {MOST_SECONDS:g} s, nothing left by its removal"
        lines.append(BudgetLine(what, limit, found, met))
    return lines


SUITE = Suite("install", "a wheel in a new environment without a compiler", _run, Options, _budget)
