"""Captures of CUDA graphs beside other users of the GPU, on mocks of CUDA and TensorRT.

CUDA's rule: a wait for a whole context while one of its streams is captured fails, and spoils the capture.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fake_cuda_frames import FrameCuda
from fake_launches import FakeLaunches
from fake_tensorrt import FakeTensorRT, fake_plan
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge.backends.tensorrt.plan import Loaded
from hpe_edge.backends.tensorrt.plan_file import EngineInfo, digest, sidecar
from hpe_edge.backends.tensorrt.runner import TensorRTBackend, TensorRTContext, load_engine
from hpe_edge.cuda.memory import fetch

Wait = Callable[[FrameCuda, TensorRTBackend], None]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def trt(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRT:
    FakeLaunches(cuda).install(monkeypatch)
    return FakeTensorRT(cuda).install(monkeypatch)


@pytest.fixture
def path(trt: FakeTensorRT, tmp_path: Path) -> Path:
    """An engine for batches of 2, which has one graph."""
    plan = fake_plan(onnx.load(write_tiny_model(tmp_path / "tiny.onnx", batch=2)), "10.3.0", (2, 2, 2))
    info = EngineInfo(
        spec=tiny_spec(),
        tensorrt="10.3.0",
        gpu="Fake GPU",
        compute_capability="8.7",
        precision="fp16",
        profile=(2, 2, 2),
        plan_bytes=len(plan),
        plan_sha256=digest(plan),
        rebuild="hpe-edge export trt tiny.onnx",
    )
    path = tmp_path / "tiny.engine"
    path.write_bytes(plan)
    sidecar(path).write_text(info.to_json())
    return path


def context_of(backend: TensorRTBackend) -> Any:
    assert backend.gpu is not None
    return backend.gpu._context


def wait_for_a_frame(cuda: FrameCuda, backend: TensorRTBackend) -> None:
    """As for an array of PyCUDA's, which names no stream."""
    assert backend.gpu is not None
    with backend.gpu:
        backend.gpu.wait_for_all()


def fetch_a_frame(cuda: FrameCuda, backend: TensorRTBackend) -> None:
    frame = np.full((4, 4, 3), 9, np.uint8)
    got = np.zeros_like(frame)
    fetch(got, cuda.place(frame, context_of(backend)), None)
    np.testing.assert_array_equal(got, frame)


@pytest.mark.parametrize("wait", [wait_for_a_frame, fetch_a_frame])
def test_our_own_waits_go_before_or_after_a_capture(cuda: FrameCuda, path: Path, wait: Wait) -> None:
    backend, failed = load_engine(path), []

    def other() -> None:
        try:
            wait(cuda, backend)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=other)

    def meanwhile(number: int) -> None:
        thread.start()
        thread.join(0.2)  # time to spoil the capture

    cuda.at_capture = meanwhile
    context = backend.context()
    context.run(2)
    thread.join()
    assert failed == [] and cuda.captures == 1 and isinstance(context, TensorRTContext) and context.captured
    backend.close()


def test_no_execution_context_is_made_during_a_capture(
    cuda: FrameCuda, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT may wait for the whole GPU to make one."""
    make, waits = Loaded.execution, []

    def execution(self: Loaded, *arguments: Any) -> Any:
        waits.append(int(cuda.driver.cuCtxSynchronize()[0]))
        return make(self, *arguments)

    monkeypatch.setattr(Loaded, "execution", execution)
    backend = load_engine(path)
    one, other = backend.context(), backend.context()
    thread = threading.Thread(target=other.run, args=(2,))

    def meanwhile(number: int) -> None:
        if number == 1:
            thread.start()
            thread.join(0.2)  # time to make the other context

    cuda.at_capture = meanwhile
    one.run(2)
    thread.join()
    assert waits == [0, 0] and cuda.captures == 2
    backend.close()


def test_a_capture_that_another_library_spoils_is_made_again(cuda: FrameCuda, path: Path) -> None:
    refused = []

    def synchronize(number: int) -> None:
        if number == 1:
            refused.append(int(cuda.driver.cuCtxSynchronize()[0]))

    cuda.at_capture = synchronize
    backend = load_engine(path)
    context = backend.context()
    context.run(2)
    context.run(2)
    assert refused == [900] and cuda.captures == 2
    assert isinstance(context, TensorRTContext) and context.captured and cuda.launches == 2
    backend.close()
    assert cuda.leaks() == {}


@pytest.mark.parametrize("where", ["tensorrt", "cuda"])
def test_a_network_that_cannot_be_captured_is_said_once(
    cuda: FrameCuda, trt: FakeTensorRT, path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    backend = load_engine(path)
    (trt if where == "tensorrt" else cuda).capturable = False
    with caplog.at_level(logging.WARNING):
        for context in (backend.context(), backend.context()):
            assert context.run(2)[0].shape == (2, 198)
            assert isinstance(context, TensorRTContext) and not context.captured
    assert "graphs" not in cuda.leaks(), "a failed capture leaves its graph"
    (record,) = caplog.records
    why = {"tensorrt": "operation not permitted when stream is capturing", "cuda": "cudaErrorStreamCaptureUnsupported"}
    assert why[where] in record.getMessage() and "without CUDA graphs" in record.getMessage()
    backend.close()
    assert cuda.leaks() == {}
