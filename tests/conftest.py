"""Fixtures for all tests: the data folder and the backends to run over."""

from __future__ import annotations

import functools
import importlib.util
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from loading import Load

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count skipped tests by reason: a line per reason instead of one per test."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ").partition(" (")[0]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")


@pytest.fixture(scope="session", autouse=True)
def answered_signals() -> Iterator[None]:
    """A shell starts its background jobs with Ctrl-C ignored, and every process below inherits that."""
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    ignored = [number for number in usual if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of checkpoints, labelled photos and the video, which is not part of the project."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the project's data folder, which is kept outside the repository")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(params=["onnxruntime", "openvino"])
def load(request: pytest.FixtureRequest) -> Load:
    """PoseEngine, once for each backend that runs ONNX files on the CPU."""
    from hpe_edge import PoseEngine

    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return functools.partial(PoseEngine, backend=request.param)
