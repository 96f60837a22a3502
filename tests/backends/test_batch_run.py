"""A batch's native call within an engine: its calls of the driver, what a refusal leaves, and other threads."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from fake_cuda import CUresult, Handle
from fake_cuda_frames import CudaArray, FrameCuda
from fake_launches import FakeLaunches
from fake_tensorrt import FakeTensorRT
from gpu_engine import write_engine

from hpe_edge import BackendError, PoseEngine
from hpe_edge.ops.native import native

BOXES = np.float32([[10, 10, 50, 50], [60, 20, 90, 50]])
MOCKS = Path(__file__).resolve().parents[1] / "mocks"
RUN = ["cuCtxPushCurrent", "cuGraphLaunch", "cuStreamSynchronize", "cuCtxPopCurrent"]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    FakeLaunches(fake).install(monkeypatch)
    FakeTensorRT(fake).install(monkeypatch)
    return fake


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


def calls_of(cuda: FrameCuda, engine: PoseEngine, frame: object) -> list[str]:
    cuda.native_calls.clear()
    engine(frame, BOXES)  # type: ignore[arg-type]
    return [name for name in cuda.native_calls if name != "cuPointerGetAttribute"]


def test_a_batch_is_one_native_call_with_no_call_too_many(cuda: FrameCuda, tmp_path: Path, frame: np.ndarray) -> None:
    with PoseEngine(write_engine(tmp_path)) as engine:
        engine.warmup(on_gpu=True)
        assert calls_of(cuda, engine, frame) == RUN
        wait = ["cuEventRecord", "cuStreamWaitEvent"]
        on_gpu = CudaArray(cuda.place(frame), frame, stream=1)
        assert calls_of(cuda, engine, on_gpu) == [RUN[0], *wait, *RUN[1:]]
        cuda.native_calls.clear()
        other = CudaArray(cuda.place(frame), frame, stream=2)
        engine.many([engine.request(each, BOXES) for each in (on_gpu, other, on_gpu)])
        waits = [name for name in cuda.native_calls if name == "cuStreamWaitEvent"]
        assert len(waits) == 2, "a wait for each stream"
    with PoseEngine(write_engine(tmp_path), crop_on="cuda") as engine:
        engine(frame, BOXES)
        assert calls_of(cuda, engine, frame) == [RUN[0], "cuMemcpyHtoDAsync", *RUN[1:]]


def test_a_stream_that_two_frames_share_is_waited_for_once(cuda: FrameCuda, tmp_path: Path, frame: np.ndarray) -> None:
    """And what comes on it after the call began is not waited for."""
    with PoseEngine(write_engine(tmp_path)) as engine:
        engine.warmup(on_gpu=True)
        address = cuda.place(np.zeros_like(frame))
        writing = cuda.stream(Handle(0), 77)
        cuda.later(writing, address, frame)
        on_gpu = CudaArray(address, frame, stream=77)
        found = engine.many([engine.request(on_gpu, BOXES), engine.request(on_gpu, BOXES[:1])])
        want = PoseEngine(tmp_path / "tiny.onnx")(frame, BOXES)
        np.testing.assert_allclose(found[0].angles, want.angles, atol=2e-3)
        np.testing.assert_allclose(found[1].angles, want.angles[:1], atol=2e-3)
        assert cuda.native_calls.count("cuEventRecord") == 1


@pytest.mark.parametrize(
    ("call", "doing"),
    [
        ("cuCtxPushCurrent", "entering the CUDA context"),
        ("cuMemcpyHtoDAsync", "copying to the GPU"),
        ("cuEventRecord", "marking the frame's stream"),
        ("cuStreamWaitEvent", "waiting for the frame's stream"),
        ("cuGraphLaunch", "launching a CUDA graph"),
        ("cuStreamSynchronize", "running on the GPU"),
    ],
)
def test_a_refused_call_is_told_and_leaves_nothing(
    cuda: FrameCuda, tmp_path: Path, frame: np.ndarray, call: str, doing: str
) -> None:
    given = frame if call == "cuMemcpyHtoDAsync" else CudaArray(cuda.place(frame), frame, stream=1)
    with PoseEngine(write_engine(tmp_path), crop_on="cuda") as engine:
        want = engine(given, BOXES)
        for code, words in (
            (int(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS), "CUDA_ERROR_ILLEGAL_ADDRESS"),
            (2, "out of memory"),
            (12345, "12345"),
        ):
            cuda.refusing = {call: code}
            with pytest.raises(BackendError, match=f"{doing} failed.*{words}"):
                engine(given, BOXES)
            assert cuda.stack == [], "the thread is left in the context"
        cuda.refusing = {}
        np.testing.assert_array_equal(engine(given, BOXES).angles, want.angles)


def test_a_frame_that_was_freed_is_an_error(cuda: FrameCuda, tmp_path: Path, frame: np.ndarray) -> None:
    with PoseEngine(write_engine(tmp_path)) as engine:
        engine.warmup(on_gpu=True)
        address = cuda.place(frame)
        request = engine.request(CudaArray(address, frame, stream=1), BOXES)
        cuda.remove(address)
        with pytest.raises(BackendError, match="running on the GPU"):
            engine.many([request])
        assert "were never allocated, or are free again" in str(cuda.failures[0])


def test_other_threads_run_while_a_batch_does(tmp_path: Path) -> None:
    """The driver waits for another thread of Python, and gives up after a while."""
    source = tmp_path / "waits.c"
    source.write_text(
        (MOCKS / "idle_driver.c").read_text().replace("int cuStreamSynchronize", "static int idle_synchronize")
        + """
#include <unistd.h>
volatile int entered, released;
int cuStreamSynchronize(void *stream) {
    entered = 1;
    for (int i = 0; i < 10000 && !released; ++i) usleep(1000);
    return released ? idle_synchronize(stream) : 999;
}
"""
    )
    library = tmp_path / "libwaits.so"
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    driver = ctypes.CDLL(str(library))
    calls = native.DriverCalls(
        {name: ctypes.cast(getattr(driver, name), ctypes.c_void_p).value or 0 for name in native.DRIVER_CALLS}
    )

    def other() -> None:
        while not ctypes.c_int.in_dll(driver, "entered").value:
            pass
        ctypes.c_int.in_dll(driver, "released").value = 1

    thread = threading.Thread(target=other)
    thread.start()
    calls.launch(1, 2, 3)
    thread.join()


def test_a_driver_that_lacks_a_function(cuda: FrameCuda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = lambda symbol, cudaVersion, flags: (CUresult.CUDA_ERROR_INVALID_VALUE, None, None)  # noqa: E731
    monkeypatch.setattr(cuda.driver, "cuGetProcAddress", missing)
    with pytest.raises(BackendError, match=r"no cuCtxPushCurrent of CUDA 12.*update the driver"):
        PoseEngine(write_engine(tmp_path))
