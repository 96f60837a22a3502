"""From a frame with one box to angles: engines of native code beside the plain pipeline in ONNX Runtime."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.plain_pipelines import PlainPipeline, in_whole_pixels
from benchmarks.harness.timing import Alternative, Case, Effort, Result, measure
from hpe_edge.engine import PoseEngine
from hpe_edge.faces.open_detector import EMBEDDED, open_detector
from hpe_edge.poses import Poses

NAME = "frame to angles"
_ALIKE_DEG = 0.5  # the plain pipeline rounds the resized face to 8-bit levels
_TURNED_DEG = 10.0  # an upright crop is another picture of the face


def frame_case(model: Path, files: dict[str, tuple[Path, float]], frame: NDArray[np.uint8], effort: Effort) -> Result:
    """Time one thread; ``files`` are those for native code, by name, with the degrees that they may differ by."""
    found = open_detector(EMBEDDED)(frame)
    plain = PlainPipeline(model, 1)
    boxes = in_whole_pixels(found.boxes[:1], plain.spec.crop)
    what = "cut and resized by PIL or OpenCV, NumPy, ONNX Runtime, NumPy"
    alternatives = [
        Alternative("plain pipeline", what, lambda: plain(frame, boxes), lambda angles: {"degrees": angles})
    ]
    with ExitStack() as stack:

        def add(name: str, path: Path, upright: bool, degrees: float) -> None:
            engine = stack.enter_context(PoseEngine(path, threads=1, upright="model" if upright else None))
            keypoints = found.keypoints[:1] if upright and found.keypoints is not None else None
            call = partial(engine, frame, boxes, keypoints=keypoints)
            alternatives.append(Alternative(name, str(engine), call, _answer, {"degrees": max(degrees, _ALIKE_DEG)}))

        add("PoseEngine, onnxruntime fp32", model, False, 0.0)
        for name, (path, degrees) in files.items():
            add(f"PoseEngine, {name}", path, False, degrees)
            add(f"PoseEngine, {name}, upright crop", path, True, _TURNED_DEG)
        return measure(Case(NAME, {"model": model.stem, "faces": 1}, alternatives), effort)


def _answer(poses: Poses) -> dict[str, Any]:
    return {"degrees": poses.angles}
