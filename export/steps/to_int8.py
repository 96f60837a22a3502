"""The work of ``python -m export.int8``, step by step; each says what it did on standard output."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, version_converter

from export.cli.command import limits_of
from export.cli.output_path import check_output
from export.cli.report import say
from export.gate.crops import MAX_CROPS, MIN_CROPS, Faces, gate_faces
from export.gate.gate import INT8_LIMITS, GateFailed, select
from export.graph.trace import opset
from export.graph.weighted_layers import Layer, layers_of, name_nodes
from export.quantize.calibrate import Method, find_ranges
from export.quantize.calibration_file import Calibration, check_calibration, read_calibration
from export.quantize.insert_qdq import candidates, is_quantized, quantize, tensors_to_calibrate
from export.quantize.qdq_rules import NEWEST_OPSET_FP32_SCALES, check
from export.quantize.sensitivity import costs, fewest_kept, table
from export.steps.reduced import (
    Original,
    as_rearranged,
    as_written,
    commit,
    poses_as_written,
    prove_reduced,
    read_original,
    reduced,
)
from hpe_edge.errors import InputError, ModelError
from hpe_edge.spec import Reduction
from hpe_edge.util.atomic import Pending

_COMPARED = "int8 with fp32"
_DEFAULT: Method = "percentile"
_OLDEST_OPSET = 13  # in which a scale can have an axis
_COST_CROPS = 64  # one run for each layer


def make(args: argparse.Namespace) -> None:
    """Do what the command line asks for.

    Raises:
        HpeEdgeError: whatever is wrong with the model, the faces or the places; nothing was written.
        GateFailed: the angles changed; nothing was written.
    """
    given = [("IN", args.model), ("--faces", args.faces), ("--boxes", args.boxes), ("--detector", args.detector)]
    check_output(args.output, [*given, ("--calibration", args.calibration)])
    if args.calibration is not None and args.calibration.suffix != ".json":
        raise InputError(f"--calibration must name a file that ends in .json, got {args.calibration}")
    original = _prepared(read_original(args.model))
    layers = candidates(original.model)
    keep = args.calibration is not None and not args.calibration.exists()
    pendings = [Pending(args.output), *([Pending(args.calibration)] if keep else [])]
    try:
        spec = original.spec
        faces = gate_faces(spec.crop, spec.input, args.faces, args.boxes, detector=args.detector, most=2 * MAX_CROPS)
        say("faces", faces.source, *faces.notes)
        calibrating, checking = _shared_out(faces)
        calibration = _calibration(args, original, layers, calibrating, keep)
        if keep:
            calibration.write(pendings[1])
        _build(args, original, layers, calibration, checking, pendings[0])
        commit(args.output, pendings, "--int8")
    finally:
        for pending in pendings:
            pending.discard()


def _prepared(original: Original) -> Original:
    """The original as a graph that pairs can be put into.

    Raises:
        ModelError: it has pairs already, or its opset cannot be changed to one that has them and TensorRT 8.5 reads.
    """
    if is_quantized(original.model):
        raise ModelError(f"{original.path} is quantised already; start from the float32 file that it was made from")
    model = ModelProto()
    model.CopyFrom(original.model)
    version = opset(model)
    if not _OLDEST_OPSET <= version <= NEWEST_OPSET_FP32_SCALES:
        try:
            model = version_converter.convert_version(model, NEWEST_OPSET_FP32_SCALES)
        except Exception as error:  # its errors come from C++
            raise ModelError(
                f"{original.path} is written in opset {version}, and INT8 needs {_OLDEST_OPSET} to "
                f"{NEWEST_OPSET_FP32_SCALES}, which it cannot be converted to ({error}); export it in one of them"
            ) from None
    name_nodes(model)
    return replace(original, model=model)


def _shared_out(faces: Faces) -> tuple[Faces, Faces]:
    """Faces to calibrate on, and others to check on; where they are few, the same for both."""
    if len(faces.crops) < 2 * MIN_CROPS:
        say("", f"{len(faces.crops)} are few: the ranges are found, and checked, on all of them")
        return faces, faces
    parts = [replace(faces, crops=faces.crops[start::2]) for start in (0, 1)]
    name = faces.source.rpartition(", ")[0]
    calibrating, checking = (replace(part, source=f"{name}, {len(part.crops)} faces") for part in parts)
    say("", f"every other one finds the ranges, the {len(checking.crops)} between them are for the check")
    return calibrating, checking


def _calibration(
    args: argparse.Namespace, original: Original, layers: Sequence[Layer], faces: Faces, new: bool
) -> Calibration:
    """The ranges, found now or kept before."""
    tensors = tensors_to_calibrate(original.model, layers)
    path: Path | None = args.calibration
    if path is not None and not new:
        calibration = read_calibration(path)
        check_calibration(path, calibration, original.sha256, args.method, tensors)
        say("ranges", f"from {path}: {calibration.in_words()}", *calibration.table())
        return calibration
    method: Method = args.method or _DEFAULT
    ranges = find_ranges(original.path, original.model, tensors, faces.crops, method)
    calibration = Calibration(original.sha256, method, len(faces.crops), faces.source, ranges)
    say("ranges", f"{calibration.in_words()}", *calibration.table())
    return calibration


def _build(
    args: argparse.Namespace,
    original: Original,
    layers: Sequence[Layer],
    calibration: Calibration,
    faces: Faces,
    pending: Pending,
) -> None:
    limits = limits_of(args, INT8_LIMITS)
    reference = original.poses(faces.crops)
    excluded = [layer for layer in layers_of(original.model) if layer.why_not]
    some = np.linspace(0, len(faces.crops) - 1, min(_COST_CROPS, len(faces.crops))).round().astype(int)

    def quantized(kept: Sequence[str]) -> ModelProto:
        chosen = [layer for layer in layers if layer.name not in kept]
        model = quantize(original.model, chosen, calibration.ranges)
        if broken := check(model):
            raise ModelError(f"{original.path}: TensorRT would not take the quantised graph: {broken[0]}")
        return model

    def passes(kept: Sequence[str]) -> bool:
        model = quantized(kept)
        given = (reference, _COMPARED, original.path, model, original.spec, faces, limits)
        report = as_written(*given)
        if report.passed and not (rearranged := as_rearranged(*given)).passed:
            report = rearranged
        say("tried", f"{len(kept)} of {len(layers)} layers kept: {report.summary()}")
        return report.passed

    def each_alone() -> list[str]:
        """Print the table of costs and return the layers to keep."""
        found = costs(
            original.model,
            layers,
            calibration.ranges,
            select(reference, some),
            lambda model: poses_as_written(original.path, model, original.spec, faces.crops[some]),
        )
        kept = fewest_kept(found, passes) if args.auto else []
        say("layers", *table(found, kept or []))
        if kept is None:
            say("layers", "no choice of layers passes: all but the cheapest were kept, and it still failed")
        return kept or []

    kept = each_alone() if args.auto else []
    model = quantized(kept)
    say(
        "graph",
        f"opset {opset(model)}; {len(layers) - len(kept)} of {len(layers) + len(excluded)} layers in INT8, "
        f"{len(kept)} kept for accuracy, {len(excluded)} left alone:",
        *(f"{layer.name}: {layer.why_not}" for layer in excluded),
    )
    step = Reduction("int8", "", "", (*kept, *(layer.name for layer in excluded)), calibration.in_words())
    spec = reduced(original, step, model)
    try:
        prove_reduced(reference, _COMPARED, model, spec, faces, limits, pending)
    except GateFailed:
        if not args.auto:
            each_alone()
        raise
