"""The examples run and print the poses of the same picture held by NumPy.

torch and DLPack are real, on the CPU. CuPy and PyCUDA are doubles with the calls that the examples make, over the
double of the driver: they show that the examples hang together, not that they run on a GPU.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_device_frames import CudaArray, FrameCuda
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.samples import FOLDER

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ["cupy_frames.py", "dlpack_frames.py", "pycuda_frames.py", "torch_frames.py"]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    return fake


def install(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


@pytest.fixture
def cupy(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy: works in the primary context, names the current stream."""
    current: list[int] = []
    context = cuda.make_context(0)

    @contextlib.contextmanager
    def stream(non_blocking: bool) -> Iterator[None]:
        current.append(cuda.stream(context))
        yield
        current.pop()

    def asarray(content: np.ndarray) -> CudaArray:
        address = cuda.place(content * 0, context)
        cuda.later(current[-1], address, content)
        return CudaArray(address, content, stream=current[-1])

    install(monkeypatch, "cupy", asarray=asarray)
    install(monkeypatch, "cupy.cuda", Stream=stream)


@pytest.fixture
def pycuda(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyCUDA: makes a context of its own, names no stream."""
    context = cuda.make_context(0)

    def to_gpu_async(ary: np.ndarray, allocator: None = None, stream: int | None = None) -> CudaArray:
        assert stream is not None
        address = cuda.place(ary * 0, context)
        cuda.later(stream, address, ary)
        return CudaArray(address, ary, stream=None)

    install(monkeypatch, "pycuda")
    install(monkeypatch, "pycuda.autoinit")
    install(monkeypatch, "pycuda.driver", Stream=lambda: cuda.stream(context))
    install(monkeypatch, "pycuda.gpuarray", to_gpu_async=to_gpu_async)


@pytest.mark.usefixtures("cupy", "pycuda")
@pytest.mark.parametrize("name", NAMES)
def test_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    model = write_tiny_model(tmp_path / "model.onnx")
    picture = cv2.imread(str(FOLDER / "astronaut.jpg"))
    box = [181, 88, 269, 178]
    if name == "torch_frames.py":
        width = picture.shape[1]
        picture, box = np.ascontiguousarray(picture[:, ::-1]), [width - box[2], box[1], width - box[0], box[3]]
    monkeypatch.setattr(sys, "argv", [name, str(model)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert capsys.readouterr().out == f"{PoseEngine(model)(picture, [box])}\n"


def test_every_example_is_run_and_says_what_it_was_run_on() -> None:
    assert sorted(path.name for path in EXAMPLES.iterdir() if path.suffix == ".py") == NAMES
    for name in NAMES:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        assert "Not run on a GPU here." in text and f"python examples/{name} model.onnx" in text
