"""NVTX ranges round the stages of a call, on a mock of the nvtx package and, without a tool, on the package itself."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT
from tiny_model import write_tiny_model

from export.inspection import latency
from export.trt import build
from hpe_edge import PoseEngine
from hpe_edge.cuda.nvtx_ranges import profiler_ranges

FRAME, BOXES = np.zeros((64, 64, 3), np.uint8), [[8, 8, 40, 40]]


class MockNvtx(types.ModuleType):
    """The package; ``events`` is what a tool would see, if one is attached."""

    def __init__(self, attached: bool) -> None:
        super().__init__("nvtx")
        self.events: list[str] = []
        events = self.events

        class DummyDomain:
            def get_event_attributes(self, message: str | None = None) -> None:
                pass

            def push_range(self, attributes: Any = None) -> None:
                events.append("needless")

            pop_range = push_range

        class Domain(DummyDomain):
            def get_event_attributes(self, message: str | None = None) -> Any:
                return message

            def push_range(self, attributes: Any = None) -> None:
                events.append(attributes)

            def pop_range(self) -> None:
                events.append("end")

        self.Domain = Domain
        self.get_domain = lambda name: Domain() if attached else DummyDomain()


@pytest.fixture
def engine_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "WARMUP", 1)
    monkeypatch.setattr(latency, "MOST_RUNS", 2)
    FakeTensorRT(FakeCuda().install(monkeypatch)).install(monkeypatch)
    return build(write_tiny_model(tmp_path / "tiny.onnx"), output=tmp_path / "tiny.engine").path


def test_the_stages_of_a_call(engine_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvtx = MockNvtx(attached=True)
    monkeypatch.setitem(sys.modules, "nvtx", nvtx)
    stages = ["crop", "end", "infer", "end", "decode", "end"]
    timed = []

    @contextlib.contextmanager
    def timer(stage: str) -> Iterator[None]:
        timed.append(stage)
        yield

    with PoseEngine(engine_file) as engine:
        for _ in range(2):
            nvtx.events.clear()
            engine(FRAME, BOXES)
            assert nvtx.events == stages
        nvtx.events.clear()
        engine(FRAME, BOXES, timer=timer)
        assert nvtx.events == stages and timed == ["crop", "infer", "decode"]


def test_a_stage_that_fails_ends_its_range(engine_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvtx = MockNvtx(attached=True)
    monkeypatch.setitem(sys.modules, "nvtx", nvtx)
    ranges = profiler_ranges()
    assert ranges is not None
    with pytest.raises(ZeroDivisionError), ranges("crop"):
        _ = 1 / 0
    assert nvtx.events == ["crop", "end"]


@pytest.mark.parametrize("module", [MockNvtx(attached=False), types.ModuleType("nvtx"), None])
def test_without_a_profiler_nothing_is_called(
    engine_file: Path, monkeypatch: pytest.MonkeyPatch, module: types.ModuleType | None
) -> None:
    monkeypatch.setitem(sys.modules, "nvtx", module)
    assert profiler_ranges() is None
    with PoseEngine(engine_file) as engine:
        engine(FRAME, BOXES)
    assert getattr(module, "events", []) == []


def test_the_package_itself_has_no_active_domain_without_a_tool() -> None:
    nvtx = pytest.importorskip("nvtx", reason="the nvtx package is not installed")
    assert {"get_domain", "Domain"} <= set(dir(nvtx))
    assert profiler_ranges() is None
