"""Placement of a Jetson's buffers, measured when the first context is made, on doubles that make one of them slow."""

from __future__ import annotations

import gc
import itertools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cuda_frames import FrameCuda
from fake_launches import FakeLaunches
from fake_tensorrt import Execution, FakeTensorRT
from gpu_engine import write_engine

from hpe_edge import PoseEngine
from hpe_edge.backends.tensorrt import placement
from hpe_edge.backends.tensorrt.placement import fastest

BOXES = np.float32([[10, 10, 50, 60], [20, 5, 70, 70]])


class Clock:
    """Time that passes only where a double says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        self.now_s += 1e-6
        return self.now_s

    def pass_s(self, time_s: float) -> None:
        self.now_s += time_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(placement, "time", made)
    return made


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    FakeLaunches(fake).install(monkeypatch)
    FakeTensorRT(fake).install(monkeypatch)
    return fake


def slow_network(cuda: FrameCuda, clock: Clock, patch: pytest.MonkeyPatch) -> None:
    """Networks are slow on the host's memory."""
    run = Execution._run

    def slower(self: Any) -> None:
        clock.pass_s(0.0 if cuda._blocks[self._addresses["image"]][1] else 0.003)
        run(self)

    patch.setattr(Execution, "_run", slower)


def slow_copies(cuda: FrameCuda, clock: Clock, patch: pytest.MonkeyPatch) -> None:
    enqueue = cuda.runtime.cudaMemcpyAsync

    def copy(dst: int, src: int, count: int, kind: int, stream: Any) -> Any:
        cuda.enqueue(stream, lambda: clock.pass_s(0.003))
        return enqueue(dst, src, count, kind, stream)

    patch.setattr(cuda.runtime, "cudaMemcpyAsync", copy)


@pytest.mark.parametrize(("slow", "memory"), [(slow_network, "device"), (slow_copies, "shared")])
def test_the_faster_memory_is_taken(
    cuda: FrameCuda,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    rng: np.random.Generator,
    slow: Any,
    memory: str,
) -> None:
    cuda.integrated = True
    slow(cuda, clock, monkeypatch)
    frame = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
    with PoseEngine(write_engine(tmp_path)) as engine, caplog.at_level(logging.INFO):
        engine.warmup()
        found = [engine(frame, BOXES) for _ in range(2)]
        assert engine._backend.memory == memory  # type: ignore[attr-defined]
        assert [record for record in caplog.records if f"{memory} memory" in record.getMessage()]
        room = engine.frame_buffer(80, 100)
        room[:] = frame
        found.append(engine(room, BOXES))  # cropped on the GPU, into the same buffers
    want = PoseEngine(tmp_path / "tiny.onnx")(frame, BOXES)
    for poses in found:
        np.testing.assert_allclose(poses.angles, want.angles, atol=2e-3)
    del room
    gc.collect()
    assert cuda.leaks() == {}


def test_a_gpu_with_memory_of_its_own_measures_nothing(
    cuda: FrameCuda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PoseEngine(write_engine(tmp_path)) as engine:
        engine.warmup()
        assert engine._backend.memory == "device"  # type: ignore[attr-defined]
        assert cuda.captures == 5, "a graph for each batch size"


def test_the_least_median_wins(clock: Clock) -> None:
    """Single fast or slow runs do not decide."""
    fast_and_slow = itertools.cycle([0.0, 0.0, 0.004, 0.005, 0.006])
    best, medians_s = fastest(
        {"shared": lambda: clock.pass_s(next(fast_and_slow)), "device": lambda: clock.pass_s(0.003)}
    )
    assert best == "device" and 0.0029 < medians_s["device"] < 0.0031 < medians_s["shared"]
