"""Measure the time that hpe_edge itself takes per frame on the GPU path: CUDA and TensorRT are doubles that do nothing.

``python tests/python_per_frame.py -o RESULT.json`` in a checkout, with a C compiler. What is measured is a call from
the frame to its poses, with checks, the face records, and the native call whose driver functions return at once; the
CPU time of the thread, so that other programs do not count. A GPU adds the driver's own time and the network's.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "mocks")]

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from fake_cuda_frames import CudaArray, FrameCuda  # noqa: E402
from fake_launches import FakeLaunches  # noqa: E402
from fake_tensorrt import FakeTensorRT  # noqa: E402
from gpu_engine import write_engine  # noqa: E402

from benchmarks.harness.schema import Document, Part, now, to_json  # noqa: E402
from benchmarks.harness.timing import Result  # noqa: E402
from hpe_edge import Camera, PoseEngine  # noqa: E402
from hpe_edge.bench.environment import environment  # noqa: E402
from hpe_edge.bench.machine_state import Watch  # noqa: E402

ROUNDS, CALLS = 15, 2000
FACES = (1, 4, 16)


def idle_driver(folder: Path) -> ctypes.CDLL:
    """Compile the driver that does nothing."""
    library = folder / "libidle.so"
    source = ROOT / "tests" / "mocks" / "idle_driver.c"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def engine_on_doubles(folder: Path, patch: pytest.MonkeyPatch) -> tuple[PoseEngine, FrameCuda]:
    """A TensorRT engine of the tiny network, warmed up, with the driver that does nothing."""
    cuda = FrameCuda()
    cuda.install(patch)
    FakeLaunches(cuda).install(patch)
    FakeTensorRT(cuda).install(patch)
    cuda.use_library(idle_driver(folder))
    engine = PoseEngine(write_engine(folder))
    engine.warmup(on_gpu=True)
    return engine, cuda


def microseconds(call: Callable[[], object]) -> list[float]:
    """CPU time of one call, of each round."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time_ns()
        for _ in range(CALLS):
            call()
        times.append((time.thread_time_ns() - start) / CALLS / 1e3)
    return times


def cases(engine: PoseEngine, cuda: FrameCuda) -> dict[str, Callable[[], object]]:
    """The calls that are measured, by name."""
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    nv12 = np.zeros((1080, 1280), np.uint8)
    camera = Camera(1000, 1000, 640, 360)
    streamed = CudaArray(cuda.place(frame), frame, stream=1)
    planes = tuple(CudaArray(cuda.place(part), part, stream=1) for part in (nv12[:720], nv12[720:]))
    found: dict[str, Callable[[], object]] = {}
    for faces in FACES:
        boxes = np.float32([[100 + 50 * i, 100, 190 + 50 * i, 200] for i in range(faces)])
        found[f"frame on the GPU, {faces} face{'s' * (faces > 1)}"] = lambda boxes=boxes: engine(streamed, boxes)
    boxes = np.float32([[100, 100, 190, 200]])
    found["NV12 planes on the GPU, 1 face"] = lambda: engine(planes, boxes, color="NV12_709")
    found["frame on the GPU with a camera, 1 face"] = lambda: engine(streamed, boxes, camera=camera)
    cameras = [CudaArray(cuda.place(frame[:480, :640].copy()), frame[:480, :640], strides=None, stream=1)] * 8
    found["8 frames on the GPU in one batch, 1 face each"] = lambda: engine.many(
        [engine.request(each, boxes) for each in cameras]
    )
    return found


def main() -> int:
    """Print the times, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    output = parser.parse_args().output
    watch = Watch()
    results = []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        engine, cuda = engine_on_doubles(Path(folder), patch)
        for name, call in cases(engine, cuda).items():
            frames = 8 if name.startswith("8 frames") else 1
            times = [each / frames for each in microseconds(call)]
            middle, least = statistics.median(times), min(times)
            print(f"{name}: {middle:.1f} us a frame (fastest round {least:.1f})", flush=True)
            results.append(Result("python", {"case": name}, figures={"median_us": middle, "fastest_round_us": least}))
        # No close: the driver that does nothing cannot enter the context that frees everything.
    if output is not None:
        part = Part("python-per-frame", results, [], 0.0)
        command = ["tests/python_per_frame.py"]
        document = Document("python-per-frame", now(), command, False, environment(), watch.conditions(), [], [part])
        output.write_text(to_json(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
