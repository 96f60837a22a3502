"""Conversion of an ONNX file for native code, verified by the compiled module's answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto

from export.gate.comparison import INT8_LIMITS, ONNX_LIMITS, Comparison, Faces, Limits
from export.gate.crops import MAX_CROPS, MIN_CROPS, faces_of_models
from export.gate.verify import Check, report_passed, verify_backend
from export.graph.weighted_layers import name_nodes
from export.native.correct_bias import correct_bias
from export.native.hpe_file import FileNetwork, to_bytes
from export.native.integers import fold_input, measured_tensors, stored_tensors, to_floats, to_integers
from export.native.layers import Network
from export.native.lower import lower
from export.quantize.calibrate import find_bounds, find_channels
from export.quantize.equalize import equalize
from export.quantize.quantized_model import Original, quantized_spec, read_original
from export.step import ExportReport, Notes, byte_size, commit, write_bytes
from hpe_edge.backends.native.native_backend import NativeBackend
from hpe_edge.backends.native.self_check import find_answers
from hpe_edge.errors import ModelError
from hpe_edge.spec import Input, ModelSpec, Quantization
from hpe_edge.util.atomic import Pending, pending_files

_HARD = 2  # hard crops of each face
_ADVICE = {
    "fp32": "The limits can be set: --mean-deg, --worst-deg",
    "int8": "Give more and more varied calibration images, use --fp32, or set other limits: --mean-deg, --p99-deg, "
    "--p999-deg, --worst-deg",
}


@dataclass(frozen=True)
class _Made:
    network: FileNetwork
    spec: ModelSpec
    check: Check
    reference: Faces  # the check's faces as the original takes them


def make_native(
    path: Path, out: Path, fp32: bool, images: Path | None, boxes: Path | None, limits: Limits, notes: Notes
) -> ExportReport:
    """Convert a model, verify it, and write it; see :func:`export.native.export`."""
    original = read_original(path, notes)
    if original.spec.input.dtype != "float32":
        raise ModelError(f"{path} takes {original.spec.input.dtype}; start from a model that takes float32")
    network = lower(original.model, original.spec.input.size)
    notes("layers", [f"{len(network.layers)} convolutions"])
    pendings = pending_files([out])
    try:
        make = _in_floats if fp32 else _in_integers
        made = make(original, network, images, boxes, limits, notes)
        comparison = _write_verified(original, made, pendings[0])
        return commit(out, pendings, replace(made.spec, gate=comparison.result()), comparison, notes)
    finally:
        for pending in pendings:
            pending.discard()


def _in_floats(
    original: Original, network: Network, images: Path | None, boxes: Path | None, limits: Limits, notes: Notes
) -> _Made:
    spec = original.spec
    (faces,) = faces_of_models([(spec.crop, spec.input)], images, boxes)
    notes("faces", [faces.source, *faces.notes])
    check = Check("native fp32 with onnx", faces, limits.over(ONNX_LIMITS), _ADVICE["fp32"], notes)
    return _Made(to_floats(network), spec, check, faces)


def _in_integers(
    original: Original, network: Network, images: Path | None, boxes: Path | None, limits: Limits, notes: Notes
) -> _Made:
    spec = original.spec
    levels = Input(spec.input.size, spec.input.color, 1.0, (0.0,) * 3, (1.0,) * 3, spec.input.name, "uint8")
    faces = faces_of_models(
        [(spec.crop, spec.input), (spec.crop, levels)], images, boxes, most=2 * MAX_CROPS, hard=_HARD
    )
    notes("faces", [faces[0].source, *faces[0].notes])
    (calibrating, checking), (calibrating_levels, checking_levels) = (_split(each) for each in faces)
    if calibrating is checking:
        notes("", [f"fewer than {2 * MIN_CROPS}: calibration and gate use all of them"])
    tensors = measured_tensors(network)
    named = ModelProto()
    named.CopyFrom(original.model)
    name_nodes(named)
    model, _ = equalize(named, find_channels(original.path, named, tensors, calibrating.crops))
    network = lower(model, spec.input.size)
    ranges = find_bounds(original.path, model, tensors, calibrating.crops)
    folded, pad_levels = fold_input(network, spec.input)
    stored = stored_tensors(folded, ranges)
    corrected = correct_bias(folded, pad_levels, stored, calibrating_levels.crops)
    step = Quantization("int8", "", "", ranges=f"smallest and largest value on {len(calibrating.crops)} crops")
    quantized = replace(quantized_spec(original, step, original.model), input=levels)
    check = Check("native int8 with fp32", checking_levels, limits.over(INT8_LIMITS), _ADVICE["int8"], notes)
    return _Made(to_integers(corrected, pad_levels, stored), quantized, check, checking)


def _split(faces: Faces) -> tuple[Faces, Faces]:
    """Split the faces for calibration and gate, each with its hard copies; a few are used for both."""
    of_face = np.arange(len(faces.crops)) // (1 + _HARD)
    if of_face[-1] + 1 < 2 * MIN_CROPS:
        return faces, faces
    parts = [faces.part(np.flatnonzero(of_face % 2 == which), faces.source) for which in (0, 1)]
    return parts[0], parts[1]


def _write_verified(original: Original, made: _Made, pending: Pending) -> Comparison:
    """Write the file to ``pending``, not yet under its name, and verify it; return the comparison of all faces.

    Raises:
        GateFailed: the angles differ.
    """
    write_bytes(pending, to_bytes(made.network, made.spec.to_json()))
    reference = original.poses(made.reference.crops)
    backend = NativeBackend(pending.temp)
    try:
        comparisons = verify_backend(reference, backend, backend.spec, made.check)
        made.check.report("runs as", [backend.runtime])
    finally:
        backend.close()
    report_passed(comparisons, made.check.report)
    gate = comparisons[0].result()
    answers = find_answers(pending.temp).astype("<f4").tobytes()
    data = to_bytes(made.network, replace(made.spec, gate=gate).to_json(), answers)
    write_bytes(pending, data)
    made.check.report("file", [f"{made.network.precision}, {byte_size(len(data))}"])
    return comparisons[0]
