"""Engines whose input has TensorRT's format kHWC8, on doubles of TensorRT and CUDA: FP16 pixels of 8 channels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fake_cuda_frames import CudaArray, FrameCuda
from fake_launches import FakeLaunches
from fake_tensorrt import FakeTensorRT, fake_plan
from gpu_engine import take_pixels, write_engine
from onnx import TensorProto, numpy_helper
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge import Camera, InputError, ModelError, PoseEngine
from hpe_edge.backends.tensorrt import runner
from hpe_edge.backends.tensorrt.plan_file import digest, read_info, sidecar
from hpe_edge.cli.describe import describe_engine
from hpe_edge.ops.crop import CropNormalize, planes_of

BOXES = np.float32([[10, 10, 50, 60], [-20, 5, 40, 70], [60, 20, 90, 45]])
CAMERA = Camera(fx=90, fy=90, cx=50, cy=40)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def launches(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> FakeLaunches:
    return FakeLaunches(cuda).install(monkeypatch)


@pytest.fixture
def write(cuda: FrameCuda, launches: FakeLaunches, tmp_path: Path, monkeypatch: Any) -> Callable[..., Path]:
    FakeTensorRT(cuda).install(monkeypatch)
    return functools.partial(write_engine, tmp_path, input_format="hwc8")


@pytest.fixture
def expected(tmp_path: Path) -> PoseEngine:
    """The same network in ONNX Runtime, with FP16 planes as its input."""
    return PoseEngine(write_tiny_model(tmp_path / "half.onnx", dtype=TensorProto.FLOAT16))


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


def same(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got.angles, want.angles, atol=2e-3)
    np.testing.assert_allclose(got.rotation, want.rotation, atol=1e-4)


@pytest.mark.parametrize("camera", [None, CAMERA])
@pytest.mark.parametrize("on", ["cpu", "cuda"])
def test_poses_are_those_of_planes(
    cuda: FrameCuda,
    launches: FakeLaunches,
    write: Callable[..., Path],
    frame: np.ndarray,
    expected: PoseEngine,
    on: Any,
    camera: Camera | None,
) -> None:
    with PoseEngine(write((1, 2, 4)), crop_on=on) as engine:
        for boxes in (BOXES, BOXES[:1], np.repeat(BOXES, 3, axis=0), BOXES[::-1], BOXES[:0]):
            same(engine(frame, boxes, camera=camera), expected(frame, boxes, camera=camera))
        assert ("decode" in launches.made) == (on == "cuda")
    assert set(cuda.leaks()) <= {"primary contexts"}


def test_a_frame_on_the_gpu_is_cropped_to_pixels(
    cuda: FrameCuda, launches: FakeLaunches, write: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(write()) as engine:
        picture = CudaArray(cuda.place(frame), frame)
        same(engine(picture, BOXES), expected(frame, BOXES))
        same(engine(frame, BOXES[:2]), expected(frame, BOXES[:2]))  # on the CPU, into the same buffer's host memory
        same(engine(picture, BOXES[::-1]), expected(frame, BOXES[::-1]))
        assert "boxes" in launches.made


def test_memory_that_host_and_gpu_share(
    cuda: FrameCuda, write: Callable[..., Path], frame: np.ndarray, expected: PoseEngine, monkeypatch: Any
) -> None:
    cuda.integrated = True
    monkeypatch.setattr(runner, "fastest", lambda runs: ("shared", {}))  # not of these sizes
    with PoseEngine(write()) as engine:
        same(engine(frame, BOXES), expected(frame, BOXES))


def test_a_context_takes_planes(write: Callable[..., Path], rng: np.random.Generator, expected: PoseEngine) -> None:
    """As the accuracy gate fills it."""
    crops = rng.standard_normal((3, 3, 64, 64)).astype(np.float32)
    with PoseEngine(write()) as engine:
        answers = []
        for each in (engine, expected):
            context = each._backend.context()
            assert context.input(3).shape == crops.shape
            context.input(3)[...] = crops
            answers.append(context.run(3)[0].copy())
        np.testing.assert_allclose(*answers, atol=1e-4)


def test_a_view_of_the_pixels_is_filled_like_the_pixels(frame: np.ndarray) -> None:
    given = replace(tiny_spec().input, dtype="float16")
    crop = CropNormalize(tiny_spec().crop, given, channels_last=True)
    want = crop(frame, BOXES)
    pixels = np.zeros((len(BOXES) + 1, *crop.face_shape), np.float16)
    crop.crop_checked((frame, None), BOXES, planes_of(pixels)[1:], "BGR")
    np.testing.assert_array_equal(pixels[1:], want)
    assert not pixels[0].any()


def test_the_description_names_the_format(write: Callable[..., Path]) -> None:
    assert "hwc8" in describe_engine(read_info(write()))
    assert "hwc8" not in describe_engine(read_info(write(input_format="linear")))


@pytest.mark.parametrize(("described", "planned"), [("linear", "HWC8"), ("hwc8", "LINEAR")])
def test_a_description_that_contradicts_the_plan(
    cuda: FrameCuda, write: Callable[..., Path], described: Any, planned: str
) -> None:
    path = write()
    _replan(path, planned, input_format=described)
    with pytest.raises(ModelError, match=rf"an input in the format {described.upper()}, got {planned}"):
        PoseEngine(path)
    assert cuda.leaks() == {}


@pytest.mark.parametrize("planned", ["CHW2", "CHW32"])
def test_a_format_that_the_crop_does_not_write(cuda: FrameCuda, write: Callable[..., Path], planned: str) -> None:
    path = write()
    _replan(path, planned)
    with pytest.raises(ModelError, match=r"which hpe_edge does not write.*build it again"):
        PoseEngine(path)
    assert cuda.leaks() == {}


def test_pixels_are_float16(write: Callable[..., Path]) -> None:
    path = write(input_format="linear")
    text = sidecar(path).read_text().replace('"input_format": "linear"', '"input_format": "hwc8"')
    sidecar(path).write_text(text)
    with pytest.raises(ModelError, match="hwc8 must be float16, got float32"):
        PoseEngine(path)


def test_triton_serves_planes(write: Callable[..., Path], tmp_path: Path) -> None:
    from export.serving.repository import read_model

    with pytest.raises(InputError, match=r"takes its input as hwc8.*without --input-format"):
        read_model(write(), "tensorrt")


def _replan(path: Path, format: str, **changes: Any) -> None:
    """Give an engine a plan with another format."""
    model = onnx.load(write_tiny_model(path.with_name("again.onnx")))
    take_pixels(model)
    if changes.get("input_format") == "linear":
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 3
        model.graph.initializer[-1].CopyFrom(
            numpy_helper.from_array(np.eye(3, dtype=np.float32)[:, :, None, None], "kernel")
        )
    plan = fake_plan(model, "10.3.0", (1, 4, 16), format=format)
    info = replace(read_info(path), plan_bytes=len(plan), plan_sha256=digest(plan), **changes)
    path.write_bytes(plan)
    sidecar(path).write_text(info.to_json())
