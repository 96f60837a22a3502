"""Frames that lie on a GPU, or that another library holds.

There is no GPU here. A double of the driver (tests/mocks/fake_cuda.py, with the calls that fetching a frame takes)
keeps "device" memory on the host and does no work before a stream is waited for, so that a copy which overtakes the
work that writes the frame gives a wrong picture. DLPack on the CPU is torch's own.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_cuda import Handle
from fake_cuda_frames import CudaArray, DeviceTensor, FrameCuda, Result
from tiny_model import write_tiny_model

from hpe_edge import BackendError, InputError, PoseEngine
from hpe_edge.ops.frames import check_frame, dlpack_layout, host_frame

BOXES = [[10, 10, 50, 60], [60, 20, 90, 45]]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def context(cuda: FrameCuda) -> Handle:
    """Somebody's context, current nowhere."""
    made = cuda.make_context(0)
    cuda.stack.pop()
    return made


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("frames") / "tiny.onnx")


def test_an_array_on_the_gpu(cuda: FrameCuda, context: Handle, picture: np.ndarray, model: Path) -> None:
    engine = PoseEngine(model)
    frame = CudaArray(cuda.place(picture, context), picture)
    np.testing.assert_array_equal(engine(frame, BOXES).angles, engine(picture, BOXES).angles)
    assert not cuda.stack
    cuda.copies = 0
    np.testing.assert_array_equal(engine(frame, BOXES * 10).angles, engine(picture, BOXES * 10).angles)
    assert cuda.copies == 1  # although 20 faces take several runs


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_copy_waits_for_the_stream_that_is_named(
    cuda: FrameCuda, context: Handle, picture: np.ndarray, number: int
) -> None:
    address, stream = cuda.place(picture * 0, context), cuda.stream(context, number)
    cuda.later(stream, address, picture)
    np.testing.assert_array_equal(host_frame(CudaArray(address, picture, stream=stream)), picture)


@pytest.mark.parametrize("said", [{}, {"stream": None}, {"version": 2}])
def test_where_no_stream_is_named_all_are_waited_for(
    cuda: FrameCuda, context: Handle, picture: np.ndarray, said: dict[str, Any]
) -> None:
    address = cuda.place(picture * 0, context)
    cuda.later(cuda.stream(context), address, picture)
    np.testing.assert_array_equal(host_frame(CudaArray(address, picture, **said)), picture)


def test_the_context_of_the_memory_is_used_and_the_callers_comes_back(
    cuda: FrameCuda, context: Handle, picture: np.ndarray
) -> None:
    address = cuda.place(picture * 0, context)
    cuda.later(cuda.stream(context), address, picture)
    other = cuda.make_context(0)
    np.testing.assert_array_equal(host_frame(CudaArray(address, picture)), picture)
    assert cuda.stack == [other]
    cuda.failing = Result.CUDA_ERROR_ILLEGAL_ADDRESS
    with pytest.raises(BackendError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        host_frame(CudaArray(address, picture))
    assert cuda.stack == [other]


def test_memory_of_a_pool_has_no_context(cuda: FrameCuda, picture: np.ndarray) -> None:
    np.testing.assert_array_equal(host_frame(CudaArray(cuda.place(picture), picture)), picture)
    assert not cuda.stack and "primary contexts" not in cuda.leaks()


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "whole": lambda a: a,
    "part": lambda a: a[5:40, 7:31],
    "every second row": lambda a: a[::2],
    "bottom up": lambda a: a[::-1],
    "other order of colours": lambda a: a[..., ::-1],
    "turned by 180 degrees": lambda a: a[::-1, ::-1],
    "planes": lambda a: a.reshape(3, 80, 100).transpose(1, 2, 0),
    "one colour": lambda a: a[..., 1],
    "one row": lambda a: a[3:4],
    "repeated": lambda a: np.broadcast_to(a[:1], (6, 100, 3)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_strides(cuda: FrameCuda, context: Handle, picture: np.ndarray, name: str) -> None:
    view = VIEWS[name](picture)
    address = cuda.place(picture, context) + view.ctypes.data - picture.ctypes.data
    taken = host_frame(CudaArray(address, view, strides=view.strides))
    np.testing.assert_array_equal(taken, view)
    if view.ndim == 3:
        check_frame(taken)  # rows are packed


def test_planes_on_the_gpu(cuda: FrameCuda, context: Handle, rng: np.random.Generator, model: Path) -> None:
    luma = rng.integers(0, 256, (80, 100)).astype(np.uint8)
    chroma = rng.integers(0, 256, (40, 50, 2)).astype(np.uint8)
    engine = PoseEngine(model)
    frame = tuple(CudaArray(cuda.place(plane, context), plane) for plane in (luma, chroma))
    expected = engine((luma, chroma), BOXES, color="NV12").angles
    np.testing.assert_array_equal(engine(frame, BOXES, color="NV12").angles, expected)


@pytest.mark.parametrize(
    ("like", "said", "fragment"),
    [
        (np.zeros((8, 8, 3), np.float32), {}, r"must be uint8.*got float32 \(8, 8, 3\).*before normalising"),
        (np.zeros((8, 8, 3), np.int8), {}, "got int8"),
        (np.zeros((1, 8, 8, 3), np.uint8), {}, r"got uint8 \(1, 8, 8, 3\)"),
        (np.zeros((8, 8, 3), np.uint8), {"mask": object()}, "masked"),
        (np.zeros((8, 8, 3), np.uint8), {"stream": 0}, "stream 0"),
        (np.zeros((8, 8, 3), np.uint8), {"data": (0x1234, False)}, "0x1234 of a GPU, where CUDA knows of no memory"),
        (np.zeros((8, 8, 3), np.uint8), {"shape": None}, "a CudaArray, cannot be read from its library"),
        (np.zeros((8, 8, 4), np.uint8), {}, r"the frame must be uint8 \[H, W, 3\]"),
        (np.zeros((0, 8, 3), np.uint8), {"data": (0, False)}, "1..65536 pixels"),
    ],
)
def test_what_cannot_be_a_frame(
    cuda: FrameCuda, context: Handle, model: Path, like: np.ndarray, said: dict[str, Any], fragment: str
) -> None:
    address = cuda.place(np.zeros(4096, np.uint8), context)
    with pytest.raises(InputError, match=fragment):
        PoseEngine(model)(CudaArray(address, like, **said), BOXES)


def test_a_gpu_array_without_cuda_bindings(monkeypatch: pytest.MonkeyPatch, picture: np.ndarray) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings.driver", None)
    with pytest.raises(BackendError, match="pip install 'cuda-bindings"):
        host_frame(CudaArray(1, picture))


def test_a_gpu_array_without_a_driver(cuda: FrameCuda, picture: np.ndarray) -> None:
    cuda.devices.clear()
    with pytest.raises(BackendError, match="CUDA does not start"):
        host_frame(CudaArray(1, picture))


@pytest.mark.parametrize("kind", [2, 3, 13])
def test_dlpack_on_the_gpu(cuda: FrameCuda, context: Handle, picture: np.ndarray, kind: int) -> None:
    tensor = torch.from_numpy(picture)
    frame = DeviceTensor(cuda, tensor, cuda.place(picture, context), kind)
    np.testing.assert_array_equal(host_frame(frame), picture)
    assert frame.waits_for == [1]  # the default stream, on which the copy is made
    part = DeviceTensor(cuda, tensor.permute(1, 0, 2), frame.address, kind)
    np.testing.assert_array_equal(host_frame(part), picture.transpose(1, 0, 2))
    with pytest.raises(InputError, match="got DLPack's type"):
        host_frame(DeviceTensor(cuda, tensor.to(torch.int8), frame.address, kind))


def test_the_structure_is_read_as_torch_writes_it(picture: np.ndarray) -> None:
    whole = torch.from_numpy(picture)
    for tensor in (whole, whole[3:50, 4:60], whole.permute(1, 0, 2)):
        layout = dlpack_layout(tensor.__dlpack__(), 1)
        assert layout.address == tensor.data_ptr()
        assert layout.shape == tuple(tensor.shape) and layout.strides == tensor.stride()


def test_a_torch_tensor_on_the_cpu_is_not_copied(picture: np.ndarray, model: Path) -> None:
    tensor = torch.from_numpy(picture)
    taken = host_frame(tensor)
    assert taken.ctypes.data == tensor.data_ptr() and taken.shape == picture.shape
    engine = PoseEngine(model)
    np.testing.assert_array_equal(engine(tensor, BOXES).angles, engine(picture, BOXES).angles)
    np.testing.assert_array_equal(engine(tensor[2:, 3:], BOXES).angles, engine(picture[2:, 3:], BOXES).angles)
    gray = tensor[..., 0].contiguous()
    expected = engine(np.ascontiguousarray(picture[..., 0]), BOXES, color="GRAY8").angles
    np.testing.assert_array_equal(engine(gray, BOXES, color="GRAY8").angles, expected)


def test_a_tensor_may_go_while_its_frame_is_used(picture: np.ndarray) -> None:
    taken = host_frame(torch.from_numpy(picture).clone())
    gc.collect()
    np.testing.assert_array_equal(taken, picture)


class Elsewhere:
    def __dlpack_device__(self) -> tuple[int, int]:
        return 10, 0  # kDLROCM

    def __dlpack__(self, *, stream: Any = None) -> Any:
        raise AssertionError("asked for although it cannot be read")


@pytest.mark.parametrize(
    ("frame", "fragment"),
    [
        (torch.zeros(8, 8, 3), r"got float32 \(8, 8, 3\)"),
        (torch.zeros(8, dtype=torch.uint8), r"got uint8 \(8,\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"uint8 \[H, W, 3\]"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8).permute(1, 2, 0), "must be packed within a row"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8, device="meta"), "a Tensor, cannot be read from its library"),
        (torch.zeros(8, 8, 3, requires_grad=True), "cannot be read from its library"),
        (Elsewhere(), "device of DLPack's kind 10; the CPU, CUDA"),
        ([[1, 2], [3, 4]], "the frame must be"),
        ("photo.jpg", "got str"),
        (None, "the picture could not be read"),
    ],
)
def test_other_objects_are_refused(model: Path, frame: Any, fragment: str) -> None:
    engine = PoseEngine(model)
    for boxes in (BOXES, []):
        with pytest.raises(InputError, match=fragment):
            engine(frame, boxes)


def test_the_double_has_the_real_arguments() -> None:
    driver = pytest.importorskip("cuda.bindings.driver", reason="needs cuda-bindings")
    fake = FrameCuda()
    for name, call in fake._frame_calls().items():
        if inspect.isfunction(call):
            wanted = list(inspect.signature(getattr(driver, name)).parameters)
            assert list(inspect.signature(call).parameters) == wanted, name
    for name, value in vars(fake._frame_calls()["CUpointer_attribute"]).items():
        assert int(getattr(driver.CUpointer_attribute, name)) == value
