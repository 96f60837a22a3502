"""Frames that lie on the engine's GPU: cropped, run and decoded there, on doubles of CUDA and TensorRT.

The launches are emulated by the code that the GPU runs. What the doubles cannot show is that a GPU does as they do.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from fake_cuda import Handle
from fake_cuda_frames import CudaArray, DeviceTensor, FrameCuda
from fake_launches import FakeLaunches
from fake_tensorrt import FakeTensorRT
from gpu_engine import write_engine
from tiny_model import write_tiny_model

from hpe_edge import BackendError, Camera, Crop, InputError, PoseEngine
from hpe_edge.backends.tensorrt import runner
from hpe_edge.ops.native import native
from hpe_edge.spec import SigmaCalibration

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
def trt(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRT:
    return FakeTensorRT(cuda).install(monkeypatch)


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


@pytest.fixture
def plan(trt: FakeTensorRT, launches: FakeLaunches, tmp_path: Path) -> Callable[..., Path]:
    return functools.partial(write_engine, tmp_path)


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


@pytest.fixture
def expected(onnx_file: Path) -> PoseEngine:
    return PoseEngine(onnx_file)


def same(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got.angles, want.angles, atol=2e-3)
    np.testing.assert_allclose(got.sigma, want.sigma, atol=2e-3)
    np.testing.assert_allclose(got.rotation, want.rotation, atol=1e-4)
    assert got.stretched.tolist() == want.stretched.tolist()


def lent(cuda: FrameCuda, content: np.ndarray, **more: Any) -> CudaArray:
    """A frame that another library has on the GPU, in a pool of its own."""
    return CudaArray(cuda.place(content), content, **more)


def test_sigma_is_calibrated_on_the_gpu(
    cuda: FrameCuda, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    sigma = SigmaCalibration(0.5, 0.25, 2.0, 100, "labels.csv", True, 9.0)
    with PoseEngine(plan(sigma=sigma)) as engine:
        assert engine.spec.sigma == sigma
        got, want = engine(lent(cuda, frame), BOXES), expected(frame, BOXES)
    np.testing.assert_allclose(got.sigma, want.sigma * np.array(sigma.factors, np.float32), rtol=1e-3)
    np.testing.assert_allclose(got.angles, want.angles, atol=2e-3)


@pytest.mark.parametrize("camera", [None, CAMERA])
def test_a_frame_on_the_gpu_never_leaves_it(
    cuda: FrameCuda,
    launches: FakeLaunches,
    plan: Callable[..., Path],
    frame: np.ndarray,
    expected: PoseEngine,
    camera: Camera | None,
) -> None:
    with PoseEngine(plan()) as engine:
        on_gpu = lent(cuda, frame)
        same(engine(on_gpu, BOXES, camera=camera), expected(frame, BOXES, camera=camera))
        before = cuda.copied_bytes
        same(engine(on_gpu, BOXES[::-1], camera=camera), expected(frame, BOXES[::-1], camera=camera))
        assert cuda.copied_bytes - before < 1000 and cuda.copies == 0
        assert set(launches.made) == {"boxes" if camera is None else "warp", "stretch", "decode"}


@pytest.mark.parametrize("camera", [None, CAMERA])
@pytest.mark.parametrize("profile", [(1, 4, 16), (4, 4, 4)], ids=str)
def test_dark_faces_are_stretched_on_the_gpu(
    cuda: FrameCuda,
    plan: Callable[..., Path],
    rng: np.random.Generator,
    expected: PoseEngine,
    profile: tuple[int, int, int],
    camera: Camera | None,
) -> None:
    light = np.kron(rng.integers(0, 256, (10, 40, 3)), np.ones((8, 8, 1)))
    dark = (np.arange(320) >= 160)[:, None]
    frame = np.rint(np.where(dark, 20 + 0.1 * light, light)).astype(np.uint8)
    boxes = np.float32([[10, 10, 60, 70], [200, 5, 260, 70], [20, 8, 90, 60], [195, 10, 290, 70]])
    with PoseEngine(plan(profile=profile)) as engine:
        for rows in (slice(None), slice(1, 2), slice(0, 3), slice(0, 1)):
            got = engine(lent(cuda, frame), boxes[rows], camera=camera)
            same(got, expected(frame, boxes[rows], camera=camera))
            assert got.stretched.tolist() == [False, True, False, True][rows]


def test_one_graph_serves_other_frames_sizes_formats_and_boxes(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], rng: np.random.Generator, expected: PoseEngine
) -> None:
    nv12 = rng.integers(0, 256, (90, 80), dtype=np.uint8)
    frames: list[tuple[np.ndarray, str]] = [
        (rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), "BGR"),
        (rng.integers(0, 256, (97, 41, 3), dtype=np.uint8), "RGB"),
        (rng.integers(0, 256, (50, 70), dtype=np.uint8), "GRAY8"),
        (nv12, "NV12"),
        (nv12, "NV12_709"),
        (rng.integers(0, 256, (61, 83, 4), dtype=np.uint8), "RGBA"),
    ]
    with PoseEngine(plan()) as engine:
        for frame, color in frames:
            same(
                engine(lent(cuda, frame), BOXES + 3, color=color),
                expected(frame, BOXES + 3, color=color),
            )
        made, launched = len(launches.made), cuda.launches
        for frame, color in frames:
            boxes = BOXES * 0.7
            same(engine(lent(cuda, frame), boxes, color=color), expected(frame, boxes, color=color))
        planes = (lent(cuda, nv12[:60]), lent(cuda, nv12[60:]))
        same(engine(planes, BOXES, color="NV12"), expected(nv12, BOXES, color="NV12"))
        assert len(launches.made) == made and cuda.launches == launched + 7  # graphs, no new launches


def test_warmup_for_frames_on_the_gpu(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan((1, 2, 4))) as engine:
        engine.warmup(threads=2, on_gpu=True)
        captures, memory = cuda.captures, cuda.leaks()["memory"]
        assert captures == 2 * 3 * 3, "callers, batch sizes, and host, boxes and warped"
        on_gpu = lent(cuda, frame)
        for count, camera in ((1, None), (2, CAMERA), (3, None), (3, CAMERA)):
            same(engine(on_gpu, BOXES[:count], camera=camera), expected(frame, BOXES[:count], camera=camera))
        same(engine(frame, BOXES), expected(frame, BOXES))
        assert cuda.captures == captures and cuda.leaks()["memory"] == memory + 1  # the frame


def test_padded_and_bottom_up_rows(
    cuda: FrameCuda, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    wide = np.zeros((80, 128, 3), np.uint8)
    wide[:, :100] = frame
    address = cuda.place(wide)
    with PoseEngine(plan()) as engine:
        padded = CudaArray(address, frame, strides=(384, 3, 1))
        same(engine(padded, BOXES), expected(frame, BOXES))
        upwards = CudaArray(address + 79 * 384, frame, strides=(-384, 3, 1))
        same(engine(upwards, BOXES), expected(np.ascontiguousarray(frame[::-1]), BOXES))
        with pytest.raises(InputError, match="packed within a row"):
            engine(CudaArray(address, frame[:, ::2], strides=(384, 6, 1)), BOXES)


def test_a_frame_still_being_written_is_waited_for(
    cuda: FrameCuda, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan()) as engine:
        for stream in (1, 77, None):
            address = cuda.place(np.zeros_like(frame))
            writing = cuda.stream(Handle(0), stream or 99)
            if stream is None:  # PyCUDA's arrays name no stream: all of the context is waited for
                cuda.streams[writing] = cuda_context(engine)
            cuda.later(writing, address, frame)
            same(engine(CudaArray(address, frame, stream=stream), BOXES), expected(frame, BOXES))


def cuda_context(engine: PoseEngine) -> Any:
    gpu = engine._gpu
    assert gpu is not None
    return gpu._context


def test_dlpack_names_the_stream(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan()) as engine:
        tensor = torch.from_numpy(frame)
        late = DeviceTensor(cuda, tensor, cuda.place(np.zeros_like(frame)), kind=2)
        cuda.later(cuda.stream(Handle(0), 1), late.address, frame)
        # As torch's arrays do; CUDA's array interface would not say when the frame is there.
        late.__cuda_array_interface__ = CudaArray(late.address, frame).__cuda_array_interface__  # type: ignore[attr-defined]
        same(engine(late, BOXES), expected(frame, BOXES))
        assert late.waits_for == [1] and launches.made and cuda.copies == 0
        made = len(launches.made)
        cuda.streams.clear()  # every context has its own default stream
        elsewhere = DeviceTensor(cuda, tensor, cuda.place(frame), kind=2)
        elsewhere.index = 1
        same(engine(elsewhere, BOXES), expected(frame, BOXES))
        assert len(launches.made) == made and cuda.copies == 1  # fetched from another GPU
        same(engine(tensor, BOXES), expected(frame, BOXES))


def test_cameras_on_the_gpu_and_on_the_host_in_one_call(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan((1, 2, 4))) as engine:
        mixed = [lent(cuda, frame), 255 - frame, lent(cuda, frame[:50]), lent(cuda, frame[:, 10:])]
        hosted = [frame, 255 - frame, frame[:50], np.ascontiguousarray(frame[:, 10:])]
        cameras = [None, None, CAMERA, None]
        found = engine.many([engine.request(f, BOXES, camera=c) for f, c in zip(mixed, cameras, strict=True)])
        for got, picture, camera in zip(found, hosted, cameras, strict=True):
            same(got, expected(picture, BOXES, camera=camera))
        assert {"boxes", "warp"} <= set(launches.made)


@pytest.mark.parametrize("upright", ["keypoints", "second-pass"])
def test_turned_faces_on_the_gpu_and_on_the_host(
    cuda: FrameCuda,
    launches: FakeLaunches,
    plan: Callable[..., Path],
    onnx_file: Path,
    frame: np.ndarray,
    rng: np.random.Generator,
    upright: str,
) -> None:
    points = rng.uniform(0, 60, (3, 5, 2)).astype(np.float32)
    points[1] = np.nan
    expected = PoseEngine(onnx_file, upright=upright)  # type: ignore[arg-type]
    with PoseEngine(plan((1, 2, 4)), upright=upright) as engine:  # type: ignore[arg-type]
        for camera in (None, CAMERA):
            want = expected(frame, BOXES, keypoints=points, camera=camera)
            for picture in (lent(cuda, frame), frame):
                got = engine(picture, BOXES, keypoints=points, camera=camera)
                # A crop on the CPU weighs in 14 bits.
                np.testing.assert_allclose(got.rotation, want.rotation, atol=2e-3)
    assert {"boxes", "warp"} <= set(launches.made)


def test_no_faces_on_the_gpu(cuda: FrameCuda, plan: Callable[..., Path], frame: np.ndarray) -> None:
    with PoseEngine(plan()) as engine:
        assert len(engine(lent(cuda, frame), [])) == 0


def test_a_profile_that_takes_no_fewer(
    cuda: FrameCuda, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan((4, 4, 8))) as engine:
        same(engine(lent(cuda, frame), BOXES[:1]), expected(frame, BOXES[:1]))
        many = np.tile(BOXES, (5, 1))
        gone = cuda.place(frame)
        same(engine(CudaArray(gone, frame), many), expected(frame, many))
        cuda.remove(gone)  # what was placed for faces that are not there any more must not be read
        same(engine(lent(cuda, frame), BOXES[:1]), expected(frame, BOXES[:1]))


def test_a_crop_of_the_callers(cuda: FrameCuda, plan: Callable[..., Path], onnx_file: Path, frame: np.ndarray) -> None:
    crop = Crop(margins=(0.4, 0.1, 0.2, 0.3), resampling="antialias", clip=True, fill=(9, 80, 200))
    with PoseEngine(plan(), crop=crop) as engine, PoseEngine(onnx_file, crop=crop) as expected:
        same(engine(lent(cuda, frame), BOXES), expected(frame, BOXES))


def test_crops_on_the_cpu_when_told(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan(), crop_on="cpu") as engine:
        same(engine(lent(cuda, frame), BOXES), expected(frame, BOXES))
    assert launches.made == [] and cuda.copies == 1


def test_host_frames_are_sent_when_told(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan(), crop_on="cuda") as engine:
        nv12, large = np.ascontiguousarray(frame.reshape(80, 300)[:78, :100]), np.tile(frame, (2, 2, 1))
        pictures = [(frame, "BGR"), (frame[::-1], "BGR"), (frame[10:, 20:90], "RGB"), (nv12, "NV12"), (large, "BGR")]
        for picture, color in pictures:
            same(engine(picture, BOXES, color=color), expected(picture, BOXES, color=color))
        pair = [engine.request(picture, BOXES) for picture in (frame, np.tile(255 - frame, (2, 2, 1)))]
        for got, picture in zip(engine.many(pair), (frame, np.tile(255 - frame, (2, 2, 1))), strict=True):
            same(got, expected(picture, BOXES))
        before = cuda.used
        engine(frame, BOXES)
        assert cuda.used == before  # the rooms for frames are used again
    assert "boxes" in launches.made


def test_a_jetson_copies_nothing(
    cuda: FrameCuda,
    launches: FakeLaunches,
    plan: Callable[..., Path],
    frame: np.ndarray,
    expected: PoseEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda.integrated = True
    monkeypatch.setattr(runner, "fastest", lambda runs: ("shared", {}))  # not of these sizes
    with PoseEngine(plan()) as engine:
        engine.warmup()
        before = cuda.copied_bytes
        same(engine(frame, BOXES), expected(frame, BOXES))
        assert launches.made == []  # cropped by the CPU, into memory that the GPU reads
        room = engine.frame_buffer(80, 100)
        room[:] = frame
        same(engine(room, BOXES), expected(frame, BOXES))
        same(engine(room[5:60, 10:], BOXES), expected(frame[5:60, 10:], BOXES))
        assert "boxes" in launches.made and cuda.copied_bytes - before == 0
        engine.close()
        assert room[3, 4].tolist() == frame[3, 4].tolist()  # it lives as long as the array


def test_frame_buffers_go_with_their_arrays(cuda: FrameCuda, plan: Callable[..., Path]) -> None:
    with PoseEngine(plan()) as engine:
        before = cuda.leaks().get("memory", 0)
        view = engine.frame_buffer(20, 30)[3:]
        gc.collect()
        assert cuda.leaks()["memory"] == before + 1
        del view
        gc.collect()
        assert cuda.leaks().get("memory", 0) == before


def test_everything_is_freed(cuda: FrameCuda, plan: Callable[..., Path], frame: np.ndarray) -> None:
    address = cuda.place(frame)
    with PoseEngine(plan(), crop_on="cuda") as engine:
        engine(CudaArray(address, frame), BOXES)
        engine(frame, BOXES, camera=CAMERA)
    assert cuda.leaks() == {"memory": 1}  # the frame, which is not ours


def test_memory_of_another_context_or_gpu_is_fetched(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan()) as engine:
        somebodys = cuda.make_context(0)
        cuda.stack.pop()
        same(engine(CudaArray(cuda.place(frame, somebodys), frame), BOXES), expected(frame, BOXES))
        assert launches.made == [] and cuda.copies == 1


def test_a_context_that_runs_on_the_gpu_keeps_what_is_current(
    cuda: FrameCuda, plan: Callable[..., Path], frame: np.ndarray, expected: PoseEngine
) -> None:
    with PoseEngine(plan()) as engine:
        mine = cuda.make_context(0)
        same(engine(lent(cuda, frame), BOXES), expected(frame, BOXES))
        assert cuda.stack == [mine]


def test_a_refused_launch_is_said(
    cuda: FrameCuda, launches: FakeLaunches, plan: Callable[..., Path], frame: np.ndarray
) -> None:
    with PoseEngine(plan()) as engine:
        launches.refusing = "no kernel image is available for execution on the device"
        with pytest.raises(BackendError, match=r"no kernel image .*crop_on='cpu'"):
            engine(lent(cuda, frame), BOXES)
        launches.refusing = ""
        assert len(engine(lent(cuda, frame), BOXES)) == 3


def test_a_build_without_cuda(
    cuda: FrameCuda,
    launches: FakeLaunches,
    plan: Callable[..., Path],
    frame: np.ndarray,
    expected: PoseEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Probe:
        devices = ()
        reason = "this build has no CUDA"

    monkeypatch.setattr(native, "probe_cuda", Probe)
    with pytest.raises(BackendError, match=r"this build has no CUDA.*from source"):
        PoseEngine(plan(), crop_on="cuda")
    with PoseEngine(plan()) as engine:
        same(engine(lent(cuda, frame), BOXES), expected(frame, BOXES))
    assert launches.made == [] and cuda.copies == 1


def test_what_crop_on_needs(onnx_file: Path) -> None:
    with pytest.raises(InputError, match="crop_on must be one of cpu, cuda, got 'gpu'"):
        PoseEngine(onnx_file, crop_on="gpu")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="network on an NVIDIA GPU"):
        PoseEngine(onnx_file, crop_on="cuda")
    with (
        PoseEngine(onnx_file, crop_on="cpu") as engine,
        pytest.raises(BackendError, match=r"runs on cpu, use np\.empty"),
    ):
        engine.frame_buffer(4, 4)


def test_onnx_runtime_on_the_gpu(
    cuda: FrameCuda,
    launches: FakeLaunches,
    onnx_file: Path,
    frame: np.ndarray,
    expected: PoseEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ONNX Runtime's GPU memory is the double's, so that the session reads what the launch has written."""
    real = onnxruntime.InferenceSession
    allocate = onnxruntime.OrtValue.ortvalue_from_shape_and_type
    name = "CUDAExecutionProvider"

    class Session:
        def __init__(self, graph: Any, options: Any, providers: Any, enable_fallback: int) -> None:
            self._real = real(graph, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return [name, "CPUExecutionProvider"]

        def __getattr__(self, member: str) -> Any:
            return getattr(self._real, member)

    def value(shape: list[int], dtype: Any, device: str, index: int) -> Any:
        made = allocate(shape, dtype, "cpu", 0)
        cuda.lend(made.data_ptr(), int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return made

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [name, "CPUExecutionProvider"])
    with PoseEngine(onnx_file) as plain:
        wanted = [plain(frame, BOXES), plain(frame, BOXES, camera=CAMERA)]
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", staticmethod(value))
    with PoseEngine(onnx_file, device="cuda") as engine:
        same(engine(lent(cuda, frame), BOXES), wanted[0])
        same(engine(lent(cuda, frame), BOXES, camera=CAMERA), wanted[1])
        same(engine(frame, BOXES), wanted[0])
    assert launches.made == ["boxes", "stretch", "warp", "stretch"]
