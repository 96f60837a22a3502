"""A page with a model, verified by ONNX Runtime Web's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.browser.node import NodeSession
from export.browser.runtime import PACKAGE, VERSION, find_runtime
from export.browser.site import write_page
from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Comparison, Limits
from export.gate.crops import gate_faces
from export.gate.gate import poses_of
from export.gate.verify import Check, report_passed
from export.quantize.quantized_model import Original, read_original
from export.step import Notes
from hpe_edge.errors import ModelError
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.models import FACE_DETECTOR
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec, Precision

_LIMITS: dict[Precision, Limits] = {
    "fp32": ONNX_LIMITS,
    "fp16": FP16_LIMITS,
    "int8": INT8_LIMITS,
    "int8+fp16": INT8_LIMITS,
}
_ADVICE = "Report this, or set other limits: --mean-deg, --p99-deg, --worst-deg"
_BATCH = 8


def make_page(
    path: Path,
    output: Path,
    detector: Path | None,
    images: Path | None,
    boxes: Path | None,
    limits: Limits,
    notes: Notes,
) -> tuple[ModelSpec, Comparison]:
    """Verify a model with ONNX Runtime Web, and write the page.

    Args:
        path: the ONNX file.
        output, detector, images, boxes, limits: see :func:`export.browser.export`.
        notes: takes each stage's lines.

    Raises:
        HpeEdgeError: see :func:`export.browser.export`; nothing was written.
    """
    runtime = find_runtime()
    original = read_original(path, notes)
    spec = original.spec
    if spec.input.dtype == "float16":
        raise ModelError(f"{path} takes float16 pixels, which browsers lack; give a file that takes float32 ones")
    if detector is not None:
        _check_detector(detector)
    faces = gate_faces(spec.crop, spec.input, images, boxes)
    notes("faces", [faces.source, *faces.notes])
    check = Check(f"{PACKAGE} with onnx", faces, limits.over(_LIMITS[spec.precision]), _ADVICE, notes)
    reference = original.poses(faces.crops)
    check.check_reference(reference)
    with NodeSession(path) as session:
        notes("runtime", [f"{PACKAGE} {VERSION} in Node"])
        comparison = check.compare(reference, _poses(session, original, faces.crops))
    check.require(comparison)
    report_passed([comparison], notes)
    write_page(output, runtime, path, detector or FACE_DETECTOR)
    return spec, comparison


def _check_detector(path: Path) -> None:
    """Refuse a detector of another kind: the page knows one.

    Raises:
        ModelError: it is none, or another.
        ModelNotFoundError: there is no such file.
    """
    if not isinstance(open_detector(path), EmbeddedDetector):
        raise ModelError(f"{path} is no detector of hpe-edge export detector, the only kind that the page runs")


def _poses(session: NodeSession, original: Original, crops: NDArray[Any]) -> Poses:
    shape = original.model.graph.input[0].type.tensor_type.shape.dim[0]
    fixed = shape.dim_value or None

    def run(some: NDArray[Any]) -> list[NDArray[np.float32]]:
        if fixed is None or len(some) == fixed:
            return session.run(some, original.spec.outputs)
        padded = np.resize(some, (fixed, *some.shape[1:]))
        return [rows[: len(some)] for rows in session.run(padded, original.spec.outputs)]

    return poses_of(run, original.spec, crops, fixed or _BATCH)
