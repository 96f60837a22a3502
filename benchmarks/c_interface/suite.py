"""Suite ``c-interface``: libhpe_edge's crop and decode beside the Python operations, which run the same code.

The C functions are called through ctypes with arguments that were made before, so their times include one ctypes call.
``program`` is examples/c_interface, from pixels to angles in C++ with ONNX Runtime's C API, beside PoseEngine on the
same picture and one thread; each times itself.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.c_interface.library import Library, frame_view, pose_arrays
from benchmarks.harness.suite import Suite, path_option
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.scene import BINS, bins_spec, crowd, frame, square
from hpe_edge import PoseEngine
from hpe_edge.errors import BackendError
from hpe_edge.models import DEFAULT
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.samples import BOXES, PHOTO, read_photo

SIZE, FACES = 112, (1, 8)
PYTHON, C = "hpe_edge.ops", "libhpe_edge"
SAME_BITS = 0.0
ANGLES = ("angles_deg", "sigma_deg", "rotation")


@dataclass(frozen=True)
class Options:
    library: Path = path_option("libhpe_edge.so", metavar="FILE")
    program: Path | None = path_option("examples/c_interface, built; default: left out", None, "FILE")


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    library = Library(options.library)
    for count in FACES:
        yield measure(_crop_case(library, count), effort)
        yield measure(_decode_case(library, count), effort)
    if options.program is not None:
        yield _program(options.program, 20 if effort.quick else 500)


def _crop_case(library: Library, count: int) -> Case:
    model = bins_spec("benchmark", SIZE)
    picture, boxes = frame(), np.array([square(130)] if count == 1 else crowd(count), np.float32)
    spec, view = library.read_spec(model.to_json()), frame_view(picture)
    out, c_out = spec.room(count), spec.room(count)
    op = CropNormalize(model.crop, model.input)
    values: Callable[[Any], Answer] = lambda found: {"values": found}  # noqa: E731
    return Case(
        "crop_normalize",
        {"size": SIZE, "faces": count},
        [
            Alternative(C, "hpe_crop_normalize through ctypes", lambda: spec.crop(view, boxes, c_out), values),
            Alternative(PYTHON, "CropNormalize", lambda: op(picture, boxes, out), values, {"values": SAME_BITS}),
        ],
    )


def _decode_case(library: Library, count: int) -> Case:
    model = bins_spec("benchmark", SIZE)
    logits = np.random.default_rng(2).normal(0, 3, (count, 3 * BINS[2])).astype(np.float32)
    spec, c_arrays = library.read_spec(model.to_json()), pose_arrays(count)
    op, poses = DecodeHeads(model), Poses.empty(count)
    exact = dict.fromkeys(ANGLES, SAME_BITS)
    return Case(
        "decode",
        {"faces": count, "bins": f"3 x {BINS[2]}"},
        [
            Alternative(C, "hpe_decode through ctypes", lambda: spec.decode([logits], c_arrays), _named),
            Alternative(PYTHON, "DecodeHeads", lambda: op([logits], poses), _of_poses, exact),
        ],
    )


def _named(arrays: Sequence[Any]) -> Answer:
    return dict(zip(ANGLES, arrays, strict=True))


def _of_poses(poses: Poses) -> Answer:
    return _named((poses.angles, poses.sigma, poses.rotation))


def _program(program: Path, runs: int) -> Result:
    """Time the C++ program and PoseEngine on the sample's photo, once each after the other."""
    name, *numbers = BOXES.read_text().splitlines()[1].split(",")
    assert name == PHOTO.name
    command = [str(program), str(DEFAULT), str(PHOTO), *numbers, "--runs", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BackendError(f"{program} failed: {done.stderr.strip()}")
    angles_line, time_line = done.stdout.splitlines()
    angles = np.array(angles_line.split()[:3], np.float64)
    picture, boxes = read_photo(), np.array([numbers], np.float32)
    with PoseEngine(threads=1) as engine:
        engine.warmup()
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            poses = engine(picture, boxes)
            times.append(time.perf_counter() - start)
    apart_deg = float(np.abs(angles - poses.angles[0]).max())
    return Result(
        "program",
        {"model": engine.spec.architecture, "faces": 1, "runs": runs},
        figures={
            "c_median_us": float(time_line.split()[1]),
            "python_median_us": 1e6 * float(np.median(times)),
            "largest_difference_deg": apart_deg,
        },
    )


SUITE = Suite("c-interface", "libhpe_edge beside the Python operations and PoseEngine", _run, Options)
