"""INT8 quantization of an ONNX model: calibration, Q/DQ pairs, the most sensitive layers kept in float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, version_converter

from export.gate.comparison import INT8_LIMITS, Comparison, Faces, GateFailed, Limits
from export.gate.crops import MAX_CROPS, MIN_CROPS, gate_faces
from export.gate.verify import Check
from export.gate.worst_picture import draw_worst
from export.graph.trace import opset
from export.graph.weighted_layers import layers_of, name_nodes
from export.quantize.calibrate import Channels, find_bounds, find_channels, find_ranges
from export.quantize.calibration_file import Calibration, Method, check_calibration, check_ranges, read_calibration
from export.quantize.centre import centre, middles
from export.quantize.choose_layers import LayerChoice
from export.quantize.equalize import equalize
from export.quantize.insert_qdq import candidates, is_quantized, tensors_to_calibrate
from export.quantize.qdq_rules import NEWEST_OPSET_FP32_SCALES
from export.quantize.quantized_model import (
    Original,
    ToTrain,
    Training,
    quantized_spec,
    read_original,
    write_verified,
)
from export.quantize.sensitivity import table
from export.step import ExportReport, Notes, PathLike, Reporter, commit, optional_path, write_bytes
from hpe_edge.errors import InputError, ModelError
from hpe_edge.poses import Poses
from hpe_edge.spec import Input, ModelSpec, Quantization
from hpe_edge.util.atomic import Pending, pending_files

_COMPARED = "int8 with fp32"
_DEFAULT: Method = "percentile"
_OLDEST_OPSET = 13  # the first with per-channel scales
_NAMED = 3  # of the worst crops, in the report
_HARD = 2  # hard crops of each face
# Of the limits, for the faces that layers are chosen on; each next one when the gate failed on its own faces.
_MARGINS = (0.6, 0.5, 0.4, 0.3)
_LEAST_SHARE = 0.05  # of the multiplications in INT8, below which nothing becomes faster
_ADVICE = (
    "Try another --method, or more and more varied calibration images; without --no-auto the most sensitive layers "
    "stay in float32; --p999-deg and --worst-deg set other limits; hpe-edge export fp16 changes the angles less"
)


@dataclass(frozen=True)
class CalibrationImages:
    """Faces to calibrate and check on; see :func:`export.gate.crops.gate_faces`."""

    images: Path
    boxes: Path | None
    detector: Path | None

    @classmethod
    def of(cls, images: PathLike, boxes: PathLike | None, detector: PathLike | None) -> CalibrationImages:
        """Check the arguments of a step; raises InputError."""
        if boxes is not None and detector is not None:
            raise InputError("boxes and detector exclude each other; give one of them")
        return cls(Path(images), optional_path(boxes), optional_path(detector))

    @property
    def parts(self) -> tuple[Path, Path | None, Path | None]:
        """The images, the boxes and the detector."""
        return self.images, self.boxes, self.detector


def picture_path(worst: PathLike | None, out: Path) -> Path:
    """Return where the faces that moved most are drawn; raises InputError where that is no PNG file."""
    picture = out.with_suffix(".worst.png") if worst is None else Path(worst)
    if picture.suffix.lower() != ".png":
        raise InputError(f"--worst must name a file that ends in .png, got {picture}")
    return picture


def quantize_file(
    path: Path,
    out: Path,
    given: CalibrationImages,
    *,
    worst_picture: Path,
    limits: Limits,
    notes: Notes,
    method: Method | None = None,
    calibration: Path | None = None,
    auto: bool = True,
    training: Training | None = None,
) -> ExportReport:
    """Quantize a model to INT8, with or without training. See :func:`export.int8.quantize`."""
    original = _prepare(read_original(path, notes))
    candidates(original.model)  # refuses a model that has none, before any face is read
    new = calibration is not None and not calibration.exists()
    pendings = pending_files([out, *([calibration] if new and calibration is not None else [])])
    try:
        spec = original.spec
        faces = gate_faces(
            spec.crop, spec.input, given.images, given.boxes, detector=given.detector, most=2 * MAX_CROPS, hard=_HARD
        )
        notes("faces", [faces.source, *faces.notes])
        calibrating, checking = _split(faces, notes)
        del faces
        ranges, equalized, largest = _calibrate(original, calibrating, None if new else calibration, method, notes)
        if new:
            ranges.write(pendings[1])
        # Ranges that the user chose, keeps in a file, or had trained, are taken as they are.
        wider = largest if method is None and calibration is None and training is None else {}
        if training is not None:
            graph = centre(equalized.model, candidates(equalized.model), ranges.middles)
            names = frozenset(checking.names)
            model, trained = training(ToTrain(original, graph, tuple(candidates(graph)), ranges.ranges, names))
            equalized, ranges = replace(equalized, model=model), replace(ranges, ranges=trained, middles={})
        layers = candidates(equalized.model)
        check = Check(_COMPARED, checking, limits.over(INT8_LIMITS), _ADVICE, notes)
        choice = LayerChoice(
            original, equalized.model, layers, ranges.ranges, wider, ranges.middles, calibrating, notes
        )
        reference = original.poses(checking.crops)
        try:
            summary = f"{ranges.summary()}{', then trained' * (training is not None)}"
            spec, comparisons = _write(equalized, reference, choice, summary, check, auto, pendings[0])
        except GateFailed as failed:
            picture = _picture(worst_picture, failed.comparison, checking, spec.input, notes)
            pendings.append(picture)
            picture.commit()  # the one file that a failed gate leaves
            raise
        pendings.append(_picture(worst_picture, comparisons[0], checking, spec.input, notes))
        return commit(out, pendings, spec, comparisons[0], notes)
    finally:
        for pending in pendings:
            pending.discard()


def _picture(path: Path, comparison: Comparison, faces: Faces, input: Input, report: Reporter) -> Pending:
    """Write the picture of the worst crops, not yet under its name."""
    pending = Pending(path)
    try:
        write_bytes(pending, draw_worst(comparison.worst, faces, input))
    except BaseException:
        pending.discard()
        raise
    worst = comparison.worst
    report("worst", [*(worst.line(at) for at in range(min(_NAMED, len(worst.rows)))), f"pictures: {path}"])
    return pending


def _prepare(original: Original) -> Original:
    """Name the nodes, and convert the opset to one with per-channel scales that TensorRT 8.6 reads.

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
    """Split the faces for calibration and gate, each with its hard copies; a few are used for both."""
    step = 1 + _HARD
    count = len(faces.crops) // step
    if count < 2 * MIN_CROPS:
        report("", [f"only {count}: calibration and gate use all of them"])
        return faces, faces
    name = faces.source.rpartition(", ")[0]
    parts = []
    for start in (0, 1):
        rows = np.flatnonzero(np.arange(len(faces.crops)) // step % 2 == start)
        own = len(rows) // step
        parts.append(faces.part(rows, f"{name}, {own} faces and {len(rows) - own} hard ones made of them"))
    report("", [f"alternate faces: {len(parts[0].crops)} crops for calibration, {len(parts[1].crops)} for the gate"])
    return parts[0], parts[1]


def _calibrate(
    original: Original,
    faces: Faces,
    path: Path | None,
    method: Method | None,
    report: Reporter,
) -> tuple[Calibration, Original, dict[str, float]]:
    """Read the ranges from a file, or measure them.

    Returns:
        The calibration, the model with equalized channels, and the largest magnitude of each tensor that may be INT8
        where measured.
    """
    if path is not None:
        calibration = read_calibration(path)
        check_calibration(path, calibration, original.sha256, method)
        channels = {name: np.array(values) for name, values in calibration.channels.items()}
        equalized, _ = equalize(original.model, channels)
        centred = centre(equalized, candidates(equalized), calibration.middles)
        check_ranges(path, calibration, tensors_to_calibrate(centred, candidates(centred)))
        report("ranges", [f"from {path}: {calibration.summary()}", *calibration.table()])
        return calibration, replace(original, model=equalized), {}
    method = method or _DEFAULT

    def tensors(model: ModelProto) -> list[str]:
        return tensors_to_calibrate(model, candidates(model))

    channels = find_channels(original.path, original.model, tensors(original.model), faces.crops)
    equalized, _ = equalize(original.model, channels)
    middle = middles(find_bounds(original.path, equalized, tensors(equalized), faces.crops))
    centred = centre(equalized, candidates(equalized), middle, rounded=False)
    largest = _largest(find_channels(original.path, centred, tensors(centred), faces.crops))
    ranges = find_ranges(original.path, centred, largest, faces.crops, method)
    found = {name: tuple(values.tolist()) for name, values in channels.items()}
    calibration = Calibration(original.sha256, method, len(faces.crops), faces.source, ranges, found, middle)
    report("ranges", [calibration.summary(), *calibration.table()])
    return calibration, replace(original, model=equalized), largest


def _largest(channels: Mapping[str, Channels]) -> dict[str, float]:
    return {name: float(values.max()) for name, values in channels.items()}


def _write(
    original: Original,
    reference: Poses,
    choice: LayerChoice,
    summary: str,
    check: Check,
    auto: bool,
    pending: Pending,
) -> tuple[ModelSpec, list[Comparison]]:
    """Write the verified model; ``auto`` keeps as few layers in float32 as the gate needs.

    Raises:
        GateFailed: the angles differ by more than the limits; the layers' sensitivities were reported.
        ModelError: ``auto`` leaves hardly anything in INT8.
    """
    layers = layers_of(original.model)
    eligible = [layer for layer in layers if not layer.why_not]
    kept: list[str] = []
    last = not auto
    for margin in _MARGINS if auto else (None,):
        if margin is not None:
            found = choice.fewest(check.limits, margin, beyond=-1 if margin == _MARGINS[0] else len(kept))
            if last := found is None:
                check.report("layers", ["the limits fail even with only the least sensitive layer in INT8"])
            kept = found if found is not None else [cost.layer for cost in choice.costs()[:-1]]
        model = choice.model(kept)
        excluded = [layer for layer in layers if layer.why_not]
        share = sum(choice.shares[layer.name] for layer in eligible if layer.name not in kept)
        check.report(
            "graph",
            [
                f"opset {opset(model)}; {len(eligible) - len(kept)} of {len(layers)} layers in INT8, which do "
                f"{100 * share:.0f} % of the multiplications; {len(kept)} kept for accuracy, {len(excluded)} not "
                "eligible:",
                *(f"{layer.name}: {layer.why_not}" for layer in excluded),
            ],
        )
        if auto and share < _LEAST_SHARE:
            raise ModelError(
                f"{original.path}: within the limits only {100 * share:.1f} % of the multiplications could be in INT8, "
                "which makes nothing faster: use hpe-edge export fp16, or set wider limits with --p999-deg and "
                "--worst-deg"
            )
        names = (*kept, *(layer.name for layer in excluded))
        ranges = f"{summary}{f', widened to {choice.widened}' if choice.widened else ''}"
        spec = quantized_spec(original, Quantization("int8", "", "", names, ranges), model)
        try:
            return write_verified(reference, model, spec, check, pending)
        except GateFailed:
            if margin is None:
                check.report("layers", table(choice.costs(), []))
            if last or margin == _MARGINS[-1]:
                raise
    raise AssertionError("unreachable")
