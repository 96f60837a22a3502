"""A trial of one mutant: its tests in a forked child, which imports the faulty source in place of the file's."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Literal

LIMIT_S = 600.0  # a fault can make a loop endless

Fate = Literal["killed", "survived", "endless"]


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Importer of one module from given source."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module, self._path, self._source = module, path, source

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)


def load_libraries() -> None:
    """Import what the tests import but the project, once for all children."""
    for name in ("numpy", "cv2", "torch", "onnx", "onnxruntime", "hypothesis", "pytest", "_pytest.assertion.rewrite"):
        importlib.import_module(name)


def run_trial(root: Path, module: str, path: Path, source: str, tests: Sequence[str]) -> tuple[Fate, float]:
    """Run the tests with a module from other source; return the mutant's fate and the time in seconds.

    Args:
        root: of the project.
        module: full name; not imported yet.
        path: its file.
        source: to import in its place.
        tests: files, from the root; the first failure ends them.
    """
    if any(name.partition(".")[0] in ("hpe_edge", "export", "benchmarks") for name in sys.modules):
        raise RuntimeError("the project is imported already, so a child would not import the mutant")
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _work(root, _Faulty(module, root / path, source), tests)
    while time.monotonic() - start < LIMIT_S:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed", time.monotonic() - start
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "endless", time.monotonic() - start


def _work(root: Path, faulty: _Faulty, tests: Sequence[str]) -> None:
    status = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, faulty)
        os.chdir(root)
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0"]
        status = int(pytest.main([*options, *tests]))
    finally:
        os._exit(status)
