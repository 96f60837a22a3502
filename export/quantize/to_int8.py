"""INT8 quantization of an ONNX model: calibration, Q/DQ pairs, the most sensitive layers kept in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, version_converter

from export.gate.comparison import INT8_LIMITS, Comparison, Faces, GateFailed, Limits
from export.gate.crops import MAX_CROPS, MIN_CROPS, gate_faces
from export.gate.gate import select
from export.gate.verify import Check
from export.graph.trace import opset
from export.graph.weighted_layers import Layer, layers_of, name_nodes
from export.quantize.calibrate import find_ranges
from export.quantize.calibration_file import Calibration, Method, check_calibration, read_calibration
from export.quantize.insert_qdq import candidates, is_quantized, quantize, tensors_to_calibrate
from export.quantize.qdq_rules import NEWEST_OPSET_FP32_SCALES, check
from export.quantize.quantized_model import (
    Original,
    as_optimized,
    as_written,
    poses_as_written,
    quantized_spec,
    read_original,
    write_verified,
)
from export.quantize.sensitivity import costs, fewest_kept, table
from export.step import ExportReport, Notes, Reporter, commit
from hpe_edge.errors import ModelError
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec, Quantization
from hpe_edge.util.atomic import Pending

_COMPARED = "int8 with fp32"
_DEFAULT: Method = "percentile"
_OLDEST_OPSET = 13  # the first with per-channel scales
_COST_CROPS = 64  # one run for each layer
_ADVICE = (
    "--auto keeps the most sensitive layers in float32; try another --method, or more and more varied calibration "
    "images; --mean-deg and --p99-deg set other limits; hpe-edge export fp16 changes the angles less"
)


@dataclass(frozen=True)
class CalibrationImages:
    """Faces to calibrate and check on; see :func:`export.gate.crops.gate_faces`."""

    images: Path
    boxes: Path | None
    detector: Path | None


def quantize_file(
    path: Path,
    out: Path,
    given: CalibrationImages,
    *,
    method: Method | None,
    calibration: Path | None,
    auto: bool,
    limits: Limits,
    notes: Notes,
) -> ExportReport:
    """Quantize a model to INT8. See :func:`export.int8.quantize`."""
    original = _prepare(read_original(path, notes))
    layers = candidates(original.model)
    new = calibration is not None and not calibration.exists()
    pendings = [Pending(out), *([Pending(calibration)] if new and calibration is not None else [])]
    try:
        spec = original.spec
        faces = gate_faces(
            spec.crop, spec.input, given.images, given.boxes, detector=given.detector, most=2 * MAX_CROPS
        )
        notes("faces", [faces.source, *faces.notes])
        calibrating, checking = _split(faces, notes)
        ranges = _calibrate(original, layers, calibrating, None if new else calibration, method, notes)
        if new:
            ranges.write(pendings[1])
        check = Check(_COMPARED, checking, limits.over(INT8_LIMITS), _ADVICE, notes)
        spec, comparisons = _Int8(original, layers, ranges, check).write(auto, pendings[0])
        return commit(out, pendings, spec, comparisons[0], notes)
    finally:
        for pending in pendings:
            pending.discard()


def _prepare(original: Original) -> Original:
    """Name the nodes, and convert the opset to one with per-channel scales that TensorRT 8.5 reads.

    Raises:
        ModelError: it has Q/DQ pairs already, or its opset cannot be converted.
    """
    if is_quantized(original.model):
        raise ModelError(f"{original.path} is quantized already; start from the float32 file that it was made from")
    model = ModelProto()
    model.CopyFrom(original.model)
    version = opset(model)
    if not _OLDEST_OPSET <= version <= NEWEST_OPSET_FP32_SCALES:
        try:
            model = version_converter.convert_version(model, NEWEST_OPSET_FP32_SCALES)
        except Exception as error:  # its errors come from C++
            raise ModelError(
                f"{original.path} has opset {version} and cannot be converted to {NEWEST_OPSET_FP32_SCALES} ({error}); "
                f"INT8 needs {_OLDEST_OPSET} to {NEWEST_OPSET_FP32_SCALES}: export it again in one of them"
            ) from None
    name_nodes(model)
    return replace(original, model=model)


def _split(faces: Faces, report: Reporter) -> tuple[Faces, Faces]:
    """Split the faces for calibration and gate; a few are used for both."""
    if len(faces.crops) < 2 * MIN_CROPS:
        report("", [f"only {len(faces.crops)}: calibration and gate use all of them"])
        return faces, faces
    parts = [replace(faces, crops=faces.crops[start::2]) for start in (0, 1)]
    name = faces.source.rpartition(", ")[0]
    calibrating, checking = (replace(part, source=f"{name}, {len(part.crops)} faces") for part in parts)
    report("", [f"alternate faces: {len(calibrating.crops)} for calibration, {len(checking.crops)} for the gate"])
    return calibrating, checking


def _calibrate(
    original: Original,
    layers: Sequence[Layer],
    faces: Faces,
    path: Path | None,
    method: Method | None,
    report: Reporter,
) -> Calibration:
    """Read the ranges from a file, or measure them."""
    tensors = tensors_to_calibrate(original.model, layers)
    if path is not None:
        calibration = read_calibration(path)
        check_calibration(path, calibration, original.sha256, method, tensors)
        report("ranges", [f"from {path}: {calibration.summary()}", *calibration.table()])
        return calibration
    method = method or _DEFAULT
    ranges = find_ranges(original.path, original.model, tensors, faces.crops, method)
    calibration = Calibration(original.sha256, method, len(faces.crops), faces.source, ranges)
    report("ranges", [calibration.summary(), *calibration.table()])
    return calibration


class _Int8:
    """Quantization of one model, with a choice of layers kept in float32."""

    def __init__(self, original: Original, layers: Sequence[Layer], calibration: Calibration, check: Check) -> None:
        self._original, self._layers, self._calibration, self._check = original, layers, calibration, check
        self._reference: Poses = original.poses(check.faces.crops)

    def write(self, auto: bool, pending: Pending) -> tuple[ModelSpec, list[Comparison]]:
        """Write the verified model; ``auto`` keeps as few layers in float32 as the gate needs.

        Raises:
            GateFailed: the angles differ by more than the limits; the layers' sensitivities were reported.
        """
        kept = self._kept_layers(choose=True) if auto else []
        model = self._model(kept)
        excluded = [layer for layer in layers_of(self._original.model) if layer.why_not]
        self._check.report(
            "graph",
            [
                f"opset {opset(model)}; {len(self._layers) - len(kept)} of {len(self._layers) + len(excluded)} layers "
                f"in INT8, {len(kept)} kept for accuracy, {len(excluded)} not eligible:",
                *(f"{layer.name}: {layer.why_not}" for layer in excluded),
            ],
        )
        names = (*kept, *(layer.name for layer in excluded))
        spec = quantized_spec(self._original, Quantization("int8", "", "", names, self._calibration.summary()), model)
        try:
            return write_verified(self._reference, model, spec, self._check, pending)
        except GateFailed:
            if not auto:
                self._kept_layers(choose=False)
            raise

    def _model(self, kept: Sequence[str]) -> ModelProto:
        chosen = [layer for layer in self._layers if layer.name not in kept]
        model = quantize(self._original.model, chosen, self._calibration.ranges)
        if broken := check(model):
            raise ModelError(f"{self._original.path}: TensorRT would reject the quantized graph: {broken[0]}")
        return model

    def _passes(self, kept: Sequence[str]) -> bool:
        given = (self._reference, self._original.path, self._model(kept), self._original.spec, self._check)
        comparison = as_written(*given)
        if comparison.passed and not (optimized := as_optimized(*given)).passed:
            comparison = optimized
        self._check.report("tried", [f"{len(kept)} of {len(self._layers)} layers kept: {comparison.summary()}"])
        return comparison.passed

    def _kept_layers(self, *, choose: bool) -> list[str]:
        """Report the sensitivity of each layer; with ``choose``, return the layers to keep."""
        crops = self._check.faces.crops
        some = np.linspace(0, len(crops) - 1, min(_COST_CROPS, len(crops))).round().astype(int)
        original = self._original
        found = costs(
            original.model,
            self._layers,
            self._calibration.ranges,
            select(self._reference, some),
            lambda model: poses_as_written(original.path, model, original.spec, crops[some]),
        )
        kept = fewest_kept(found, self._passes) if choose else []
        self._check.report("layers", table(found, kept or []))
        if kept is None:
            self._check.report("layers", ["the gate fails even with only the least sensitive layer in INT8"])
        return kept or []
