"""On a GPU, where there is one: captured launches, and whole engines on frames of other libraries.

The oracle's tests run there as well, see loops.py. What can be walked on the doubles is, which shows that the tests
themselves are sound.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loops
import numpy as np
import onnxruntime
import pytest
from fake_cuda import FakeCuda
from fake_launches import FakeLaunches
from gpu_loop import GpuLoop, face_record, require_gpu
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.ops.crop import FORMATS, CropNormalize, crop_arguments, swaps_colors, yuv_rule
from hpe_edge.ops.decode import DecodeHeads, decode_arguments
from hpe_edge.ops.frames import FrameColor
from hpe_edge.ops.native import native
from hpe_edge.spec import Crop

BOXES = np.float32([[10, 10, 50, 60], [-20, 5, 40, 70], [60, 20, 90, 45]])
HOMOGRAPHY = [[1.5, 0.2, 5], [-0.1, 1.4, 8], [4e-3, -3e-3, 1]]
SPEC = tiny_spec(20)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda().install(monkeypatch)


@pytest.fixture
def launches(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> FakeLaunches:
    return FakeLaunches(cuda).install(monkeypatch)


@pytest.fixture(params=["double", "GPU"])
def gpu(request: pytest.FixtureRequest) -> Iterator[GpuLoop]:
    """A GPU and its double."""
    if request.param == "GPU":
        require_gpu()
    else:
        request.getfixturevalue("launches")
    with contextlib.ExitStack() as cleanup:
        yield GpuLoop(cleanup)


def pictures(rng: np.random.Generator) -> list[tuple[Any, FrameColor]]:
    wide = rng.integers(0, 256, (60, 100, 3), dtype=np.uint8)
    nv12 = rng.integers(0, 256, (90, 80), dtype=np.uint8)
    return [
        (wide, "BGR"),
        (wide[5:50, 3:71], "RGB"),
        (wide[::-1], "BGR"),
        (wide[..., 0].copy(), "GRAY8"),
        (nv12, "NV12"),
        ((nv12[:60], nv12[60:, :80]), "NV12_709"),
        (nv12, "NV12_601_FULL"),
        (rng.integers(0, 256, (60, 100, 4), dtype=np.uint8), "RGBA"),
    ]


def test_the_oracles_loop_copies_there_and_back(
    cuda: FakeCuda, launches: FakeLaunches, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    crop, decode = CropNormalize(Crop(), SPEC.input), DecodeHeads(SPEC)
    logits = [rng.normal(0, 3, (8, 210)).astype(np.float32)[::2]]
    with contextlib.ExitStack() as cleanup:
        loops.install(loops.ON_GPU, monkeypatch, cleanup)
        there, decoded_there = CropNormalize(Crop(), SPEC.input), DecodeHeads(SPEC)
        for frame, color in pictures(rng):
            same(there(frame, BOXES, color=color), crop(frame, BOXES, color=color))
            same(there.warp(frame, [HOMOGRAPHY], color=color), crop.warp(frame, [HOMOGRAPHY], color=color))
            assert there(frame, [], color=color).shape == (0, 3, 20, 20)
        for name in ("angles", "sigma", "rotation"):
            same(getattr(decoded_there(logits), name), getattr(decode(logits), name))
        assert len(decoded_there([logits[0][:0]])) == 0
    assert set(launches.made) == {"boxes", "warp", "decode"}
    assert cuda.leaks() == {}


def same(got: np.ndarray, want: np.ndarray) -> None:
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, atol=2e-3)


@pytest.mark.parametrize(
    ("without", "reason"),
    [("a build with CUDA", "this build has no CUDA"), ("GPU", "no working NVIDIA GPU"), ("nothing", "")],
)
def test_without_a_gpu_the_tests_say_why(
    cuda: FakeCuda, launches: FakeLaunches, monkeypatch: pytest.MonkeyPatch, without: str, reason: str
) -> None:
    class Probe:
        devices = ()
        reason = "this build has no CUDA"

    if without == "GPU":
        cuda.devices.clear()
    elif without != "nothing":
        monkeypatch.setattr(native, "probe_cuda", Probe)
    monkeypatch.delenv("HPE_EDGE_REQUIRE_CUDA", raising=False)
    if not reason:
        require_gpu()
        return
    with pytest.raises(pytest.skip.Exception, match=f"needs a GPU: .*{reason}"):
        require_gpu()
    monkeypatch.setenv("HPE_EDGE_REQUIRE_CUDA", "1")
    with pytest.raises(pytest.fail.Exception, match=f"HPE_EDGE_REQUIRE_CUDA is 1, .*{reason}"):
        require_gpu()


@pytest.mark.parametrize("warped", [False, True])
def test_a_captured_graph_takes_other_frames_boxes_and_logits(
    gpu: GpuLoop, rng: np.random.Generator, warped: bool
) -> None:
    count = len(BOXES)
    crop = native.CropLaunch(**crop_arguments(SPEC.crop, SPEC.input), emulated=False)
    decode = native.DecodeLaunch(**decode_arguments(SPEC), emulated=False)
    want_crop, want_poses = CropNormalize(SPEC.crop, SPEC.input), DecodeHeads(SPEC)
    with contextlib.ExitStack() as cleanup:
        faces = gpu.buffer(count, native.WARP_FACE if warped else native.BOX_FACE, cleanup)
        values = gpu.buffer(count, np.float32, cleanup, 3, 20, 20)
        logits = gpu.buffer(count, np.float32, cleanup, 3 * 66)
        poses = [gpu.buffer(count, np.float32, cleanup, *columns) for columns in ((3,), (3,), (3, 3))]
        heads = [(logits.address + 4 * 66 * head, 3 * 66) for head in range(3)]
        stream = int(gpu.stream)

        def work() -> None:
            faces.send(count, gpu.stream)
            logits.send(count, gpu.stream)
            launch = crop.warp if warped else crop.boxes
            launch(faces.address, count, values.address, stream)
            decode.run(heads, count, *(part.address for part in poses), stream)
            for buffer in (values, *poses):
                buffer.receive(count, gpu.stream)

        graph = gpu.gpu.capture(work, gpu.stream, cleanup)
        for frame, color in pictures(rng):
            planes = list(frame) if isinstance(frame, tuple) else [frame]
            if color.startswith("NV12") and len(planes) == 1:
                planes = [frame[:60], frame[60:]]
            with contextlib.ExitStack() as frames:
                addresses = gpu.send(planes, frames)
                swap = swaps_colors(color, SPEC.input)
                record = face_record(addresses, planes, FORMATS[color], swap, yuv_rule(color))
                boxes = BOXES + rng.uniform(-3, 3, (1, 4)).astype(np.float32)
                homographies = np.float64([HOMOGRAPHY] * count) + rng.uniform(0, 1e-3, (count, 3, 3))
                if warped:
                    crop.write_views(record, homographies, faces.array)
                else:
                    crop.write_boxes(record, boxes, None, faces.array)
                logits.array[:] = rng.normal(0, 3, logits.array.shape)
                gpu.gpu.launch(graph, int(gpu.stream))
                gpu.gpu.synchronize(gpu.stream)
            wanted = want_crop.warp(frame, homographies, color=color) if warped else None
            same(values.array, want_crop(frame, boxes, color=color) if wanted is None else wanted)
            found = want_poses([logits.array])
            for part, name in zip(poses, ("angles", "sigma", "rotation"), strict=True):
                same(part.array, getattr(found, name))


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


@pytest.fixture(params=["cpu", "cuda"])
def engine(request: pytest.FixtureRequest, onnx_file: Path) -> Iterator[PoseEngine]:
    """On the CPU, which fetches frames from the GPU, and on CUDA through ONNX Runtime, where they stay."""
    require_gpu()
    if request.param == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("needs onnxruntime-gpu: this ONNX Runtime has no CUDAExecutionProvider")
    with PoseEngine(onnx_file, device=request.param) as engine:
        yield engine


def library(name: str) -> Any:
    require_gpu()
    module = pytest.importorskip(name, reason=f"needs {name}, which is not installed")
    if name == "torch" and not module.cuda.is_available():
        pytest.skip(f"needs torch with CUDA, torch {module.__version__} has none here")
    return module


def on_torch(picture: np.ndarray) -> Any:
    return library("torch").from_numpy(picture.copy()).to("cuda")


def on_cupy(picture: np.ndarray) -> Any:
    return library("cupy").asarray(picture)


def on_host(picture: np.ndarray) -> Any:
    return picture


@pytest.mark.parametrize("place", [on_host, on_torch, on_cupy])
def test_an_engine_takes_frames_of_other_libraries(
    engine: PoseEngine, onnx_file: Path, rng: np.random.Generator, place: Any
) -> None:
    picture = np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    with PoseEngine(onnx_file) as plain:
        for color, frame in (("BGR", picture), ("RGB", picture), ("GRAY8", np.ascontiguousarray(picture[..., 1]))):
            want = plain(frame, BOXES, color=color)
            for _ in range(2):  # the second time as a graph
                got = engine(place(frame), BOXES, color=color)
                # TensorFloat-32 keeps ten bits of the network's factors.
                np.testing.assert_allclose(got.angles, want.angles, atol=0.5)
                np.testing.assert_allclose(got.rotation, want.rotation, atol=0.02)
