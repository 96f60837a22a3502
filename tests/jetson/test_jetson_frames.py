"""Images of jetson-utils and NVMM surfaces, read where they lie, on doubles of their libraries and of CUDA."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fake_cuda_frames import FrameCuda
from fake_jetson import ARRAY, CudaImage, FakeNvBuf
from fake_launches import FakeLaunches
from fake_tensorrt import FakeTensorRT
from frames_of import frame_of
from gpu_engine import write_engine

from hpe_edge import BackendError, InputError, PoseEngine
from hpe_edge.jetson import nvmm
from hpe_edge.jetson.cuda_image import cuda_image_frame
from hpe_edge.jetson.nvbufsurface import COLORS, Surface, load_library
from hpe_edge.jetson.nvmm import NvmmFrames

BOXES = np.float32([[10, 10, 50, 60], [-20, 5, 40, 70], [60, 20, 90, 45]])
FORMATS = {color: number for number, color in reversed(COLORS.items())}  # color -> NvBufSurfaceColorFormat


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    FakeTensorRT(fake).install(monkeypatch)
    return fake


@pytest.fixture
def launches(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> FakeLaunches:
    return FakeLaunches(cuda).install(monkeypatch)


@pytest.fixture
def engine(cuda: FrameCuda, launches: FakeLaunches, tmp_path: Path) -> Iterator[PoseEngine]:
    with PoseEngine(write_engine(tmp_path)) as made:
        yield made


@pytest.fixture
def expected(engine: PoseEngine, tmp_path: Path) -> PoseEngine:
    return PoseEngine(tmp_path / "tiny.onnx")


@pytest.fixture
def buffers(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> FakeNvBuf:
    fake = FakeNvBuf(cuda)
    monkeypatch.setattr(nvmm, "load_library", lambda: fake)
    return fake


def smooth(rng: np.random.Generator, color: Any) -> np.ndarray:
    """Of full contrast: crops of host frames are stretched where they are flat, those of device frames are not."""
    return cv2.normalize(cv2.GaussianBlur(frame_of(rng, color, 80, 100), (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


def same(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got.angles, want.angles, atol=2e-3)
    np.testing.assert_allclose(got.rotation, want.rotation, atol=1e-4)


@pytest.mark.parametrize(
    ("format", "color"),
    [("rgb8", "RGB"), ("rgba8", "RGBA"), ("bgr8", "BGR"), ("bgra8", "BGRA"), ("gray8", "GRAY8"), ("nv12", "NV12")],
)
def test_an_image_of_jetson_utils(
    cuda: FrameCuda, engine: PoseEngine, expected: PoseEngine, rng: np.random.Generator, format: str, color: Any
) -> None:
    content = smooth(rng, color)
    frame, said = cuda_image_frame(CudaImage(cuda, content, 100, 80, format))
    assert said == color
    same(engine(frame, BOXES, color=said), expected(content, BOXES, color=color))
    assert cuda.copies == 0


def test_the_caller_says_which_nv12_it_is(cuda: FrameCuda, rng: np.random.Generator) -> None:
    image = CudaImage(cuda, frame_of(rng, "NV12", 80, 100), 100, 80, "nv12")
    assert cuda_image_frame(image, nv12="NV12_709").color == "NV12_709"


def test_images_that_are_not_taken(cuda: FrameCuda, rng: np.random.Generator) -> None:
    floats = CudaImage(cuda, np.zeros((8, 8, 3), np.float32), 8, 8, "rgb32f")
    with pytest.raises(InputError, match=r"'rgb32f' is not taken.*cudaConvertColor"):
        cuda_image_frame(floats)
    with pytest.raises(InputError, match="even sides"):
        cuda_image_frame(CudaImage(cuda, np.zeros((15, 7), np.uint8), 7, 10, "nv12"))
    with pytest.raises(InputError, match="cudaImage, got NoneType"):
        cuda_image_frame(None)
    floats.ptr = 0
    with pytest.raises(InputError, match="no memory"):
        cuda_image_frame(floats)


@pytest.mark.parametrize(
    "color", ["RGBA", "BGRA", "RGB", "GRAY8", "NV12", "NV12_601_FULL", "NV12_709", "NV12_709_FULL"]
)
def test_an_nvmm_surface(
    cuda: FrameCuda,
    buffers: FakeNvBuf,
    engine: PoseEngine,
    expected: PoseEngine,
    rng: np.random.Generator,
    color: Any,
) -> None:
    content = smooth(rng, color)
    planes = [content[:80], content[80:].reshape(40, 50, 2)] if color.startswith("NV12") else [content]
    surface = buffers.surface(planes, FORMATS[color], pitch=512)
    with NvmmFrames() as frames:
        mapped = Surface.from_address(surface)
        gst_buffer = ctypes.string_at(surface, ctypes.sizeof(mapped))
        for given in (surface, frames.surface_of(buffers.dmabuf(surface)), gst_buffer):
            with frames.frame(given) as (frame, said):
                assert said == color
                same(engine(frame, BOXES, color=said), expected(content, BOXES, color=color))
            assert not buffers.mapped and not buffers.registered
    assert cuda.copies == 0


def test_a_frame_that_outlives_its_surface_is_an_error(
    cuda: FrameCuda, buffers: FakeNvBuf, engine: PoseEngine, rng: np.random.Generator
) -> None:
    engine.warmup(on_gpu=True)
    surface = buffers.surface([frame_of(rng, "RGBA", 80, 100)], FORMATS["RGBA"], pitch=400)
    with NvmmFrames() as frames:
        with frames.frame(surface) as (frame, color):
            request = engine.request(frame, BOXES, color=color)
        with pytest.raises(BackendError):
            engine.many([request])


def test_surfaces_that_are_not_taken(buffers: FakeNvBuf, engine: PoseEngine, rng: np.random.Generator) -> None:
    content = frame_of(rng, "RGBA", 80, 100)
    surface = buffers.surface([content], FORMATS["RGBA"], pitch=400)
    with NvmmFrames() as frames:
        for bad, message in ((0, "address of an NvBufSurface"), (b"short", "memory:NVMM")):
            with pytest.raises(InputError, match=message), frames.frame(bad):
                pass
        with pytest.raises(InputError, match="none with index 1"), frames.frame(surface, index=1):
            pass
        with (
            pytest.raises(InputError, match=r"format 10 .*nvvidconv"),
            frames.frame(buffers.surface([content], 10, 400)),
        ):
            pass
        with pytest.raises(InputError, match="7 is not the dmabuf"):
            frames.surface_of(7)
        buffers.frame_type = ARRAY
        with pytest.raises(InputError, match="bl-output=false"), frames.frame(surface):
            pass
        for function, message in (
            ("NvBufSurfaceMapEglImage", "EGLImage"),
            ("cuGraphicsEGLRegisterImage", "registering"),
        ):
            buffers.failing = {function}
            with pytest.raises(BackendError, match=message), frames.frame(surface):
                pass
        assert not buffers.mapped and not buffers.registered, "an error leaves them"


def test_an_engine_in_another_context_does_not_read_the_surface(
    cuda: FrameCuda, buffers: FakeNvBuf, launches: FakeLaunches, engine: PoseEngine, rng: np.random.Generator
) -> None:
    cuda.make_context(0)
    surface = buffers.surface([frame_of(rng, "RGBA", 80, 100)], FORMATS["RGBA"], pitch=400)
    with NvmmFrames() as frames, frames.frame(surface) as (frame, color):
        cuda.stack.pop()
        engine(frame, BOXES, color=color)
        assert cuda.copies == 1 and launches.made == []


def test_a_machine_without_the_library() -> None:
    with pytest.raises(BackendError, match="JetPack's libnvbufsurface"):
        load_library()


def test_the_structures_have_the_headers_sizes() -> None:
    """On a 64-bit machine, by the fields of nvbufsurface.h."""
    plane, mapped = 25 * 4 + 4 + 16 * 8, 4 * 8 + 8 + 4 * 8
    buffer = 5 * 4 + 4 + 8 + 4 + 4 + 8 + plane + mapped + 8 + 3 * 8
    assert ctypes.sizeof(Surface) == 3 * 4 + 4 + 4 + 4 + 8 + 4 * 8
    assert ctypes.sizeof(Surface._fields_[5][1]._type_) == buffer


def test_the_double_has_the_real_arguments() -> None:
    """The driver's calls for EGLImages, beside those of cuda-bindings."""
    real = pytest.importorskip("cuda.bindings.driver", reason="needs cuda-bindings")
    for name, call in FakeNvBuf(FrameCuda())._driver_calls().items():
        if inspect.isfunction(call):
            wanted = inspect.signature(getattr(real, name)).parameters
            assert list(inspect.signature(call).parameters) == list(wanted)
    assert {"frame", "width", "height", "pitch", "frameType"} <= set(dir(real.CUeglFrame()))
    assert real.CUeglFrameType.CU_EGL_FRAME_TYPE_PITCH and real.CUgraphicsRegisterFlags(1).name.endswith("READ_ONLY")
