"""Face detectors in native code: a 16:9 frame through the network, beside ONNX Runtime, on one core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.timing import Alternative, Case, Effort, Result, measure
from hpe_edge.backends.native.native_session import NativeSession
from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.errors import HpeEdgeError
from hpe_edge.faces.grids.anchor_free import letterbox
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.models import FACE_DETECTOR
from hpe_edge.spec import Input

FP32, INT8 = "native fp32", "native int8"
WIDTH, HEIGHT = 640, 384
_SCORES = {FP32: 1e-3, INT8: 0.3}
_SKIPPED = "INT8 needs --detector-images"


def make_files(images: Path | None, folder: Path) -> dict[str, Path]:
    """Convert the embedded detector; INT8 with images alone."""
    from export.native import export_detector

    files = {FP32: export_detector(output=folder / "detector32.hpe", fp32=True).path}
    if images is not None:
        files[INT8] = export_detector(output=folder / "detector8.hpe", calibration_images=images).path
    return files


def detector_case(files: dict[str, Path], isa: str, frame: NDArray[np.uint8], effort: Effort) -> Result:
    """Time the embedded detector's network on a frame; its scores are compared."""
    session = open_session(FACE_DETECTOR, threads=1)
    alternatives = [_alternative("onnxruntime fp32", "ONNX Runtime", session, EmbeddedDetector.INPUT, frame, 1e-3)]
    for name, path in files.items():
        native = NativeSession(path, threads=1, isa=isa)
        levels = Input(WIDTH, EmbeddedDetector.INPUT.color, 1.0, (0.0,) * 3, (1.0,) * 3, dtype="uint8")
        taken = levels if native.takes_levels else EmbeddedDetector.INPUT
        alternatives.append(_alternative(name, f"native code ({isa})", native, taken, frame, _SCORES[name]))
    skipped = {} if INT8 in files else {INT8: _SKIPPED}
    case = Case(
        "one frame", {"model": FACE_DETECTOR.stem, "path": isa, "input": f"{WIDTH} x {HEIGHT}"}, alternatives, skipped
    )
    return measure(case, effort)


def _alternative(
    name: str, runtime: str, session: Any, taken: Input, frame: NDArray[np.uint8], tolerance: float
) -> Alternative:
    picture = letterbox(frame, WIDTH, HEIGHT, max(frame.shape[1] / WIDTH, frame.shape[0] / HEIGHT), taken)
    given, names = session.get_inputs()[0].name, [each.name for each in session.get_outputs()]

    def scores(outputs: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        found = np.concatenate([each.ravel() for each in outputs if each.shape[-1] == 1])
        if not found.max() > EmbeddedDetector.SCORE:
            raise HpeEdgeError("the detector finds no face in the picture")
        return {"scores": found}

    return Alternative(name, runtime, lambda: session.run(names, {given: picture}), scores, {"scores": tolerance})
