"""The suite ``precision``: what FP16 and INT8 do to a model, on labelled photos, and to its size and time on this CPU.

Each file runs as :class:`hpe_edge.PoseEngine` runs it: by ONNX Runtime, which computes FP16 in float32 on a CPU, and
if asked for by OpenVINO, too, held against ONNX Runtime on the float32 file. The figures of the file's own gate, with
each FP16 result rounded, stand beside these. A reduced file must be made from the float32 file that it is held
against, as its spec says. Times are of the network alone, one face, one thread: they say nothing about a GPU, for
which these graphs are laid out.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import QUICK_PHOTOS, read_photo
from benchmarks.datasets.labels_csv import COLUMNS, read_labels
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Alternative, Case, Effort, Result, measure
from hpe_edge import InputError, PoseEngine, Poses
from hpe_edge.backends.options import Precision
from hpe_edge.geometry import geodesic_deg, wrap_deg

LARGEST_ERROR_GROWTH_DEG = 0.10
LARGEST_INT8_CHANGE_DEG = 0.7


@dataclass(frozen=True)
class _Form:
    """A file and how it is run; ``label`` tells it from the others of its network."""

    label: str
    path: Path
    engine: PoseEngine


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--forms",
        type=Path,
        nargs="+",
        action="append",
        metavar="MODEL.onnx",
        required=True,
        help="the float32 file, then those made from it; once for each network",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        required=True,
        help=f"columns {','.join(COLUMNS)}: boxes in pixels, angles in degrees; the photos lie beside the file",
    )
    parser.add_argument(
        "--openvino",
        nargs="+",
        choices=get_args(Precision),
        default=[],
        metavar="PRECISION",
        help=f"run every file by OpenVINO, too, in each of these: {', '.join(get_args(Precision))}",
    )


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    names, boxes, labels = read_labels(args.labels)
    if args.quick:
        names, boxes, labels = names[:QUICK_PHOTOS], boxes[:QUICK_PHOTOS], labels[:QUICK_PHOTOS]
    photos = [read_photo(args.labels.parent / name) for name in names]
    for paths in args.forms:
        yield from _network(paths, args.openvino, photos, boxes, labels, effort)


def _network(
    paths: Sequence[Path],
    openvino: Sequence[Precision],
    photos: Sequence[NDArray[np.uint8]],
    boxes: NDArray[np.float32],
    labels: NDArray[np.float64],
    effort: Effort,
) -> Iterator[Result]:
    forms: list[_Form] = []
    try:
        for path in paths:
            forms.append(_Form(path.stem, path, PoseEngine(path, threads=1)))
        _check_forms(forms)
        for precision in openvino:
            for path in paths:
                engine = PoseEngine(path, backend="openvino", precision=precision, threads=1)
                forms.append(_Form(f"{path.stem}, OpenVINO in {precision}", path, engine))
        timed = measure(_case(forms, photos[0], boxes[:1]), effort)
        reference = _poses(forms[0].engine, photos, boxes)
        for form in forms:
            spec, poses = form.engine.spec, _poses(form.engine, photos, boxes)
            parameters: dict[str, str | int] = {
                **timed.parameters,
                "file": form.path.stem,
                "form": form.label,
                "numbers": spec.precision,
                "photos": len(photos),
            }
            if spec.quantizations:
                step = spec.quantizations[-1]
                parameters |= {"ranges": step.ranges, "layers in float32": len(step.kept)}
            figures = _figures(poses, reference, labels)
            figures["bytes"] = form.path.stat().st_size
            if spec.quantizations and (gate := spec.gate):
                figures |= {"gate_faces": gate.faces, "gate_mean_deg": gate.mean_deg, "gate_p99_deg": gate.p99_deg}
                figures["gate_worst_deg"] = gate.worst_deg
            yield Result("precision", parameters, figures=figures)
        yield timed
    finally:
        for form in forms:
            form.engine.close()


def _check_forms(forms: Sequence[_Form]) -> None:
    first = forms[0]
    sha256 = hashlib.sha256(first.path.read_bytes()).hexdigest()
    if first.engine.spec.quantizations:
        raise InputError(f"{first.path} is not float32; name the float32 file first")
    for form in forms[1:]:
        steps = form.engine.spec.quantizations
        if not steps or steps[0].sha256 != sha256:
            raise InputError(
                f"{form.path} was not made from {first.path}; make it with python -m export.fp16 or export.int8"
            )


def _case(forms: Sequence[_Form], photo: NDArray[np.uint8], box: NDArray[np.float32]) -> Case:
    contexts = []
    for form in forms:
        context = form.engine._backend.context()
        form.engine._crop(photo, box, context.input(1))
        contexts.append(context)
    alternatives = [
        Alternative(
            form.label,
            "the network's run on one face, input ready",
            lambda context=context: context.run(1),  # type: ignore[misc]
            lambda outputs: {},
            {},
        )
        for form, context in zip(forms, contexts, strict=True)
    ]
    spec = forms[0].engine.spec
    parameters: dict[str, str | int] = {"model": spec.architecture, "size": spec.input.size}
    return Case("network", parameters, alternatives)


def _poses(engine: PoseEngine, photos: Sequence[NDArray[np.uint8]], boxes: NDArray[np.float32]) -> Poses:
    each = [engine(photo, box[None]) for photo, box in zip(photos, boxes, strict=True)]
    return Poses(
        np.concatenate([one.angles for one in each]),
        np.concatenate([one.sigma for one in each]),
        np.concatenate([one.rotation for one in each]),
    )


def _figures(poses: Poses, reference: Poses, labels: NDArray[np.float64]) -> dict[str, float | None]:
    """Mean absolute errors against the labels, and the geodesic distance from the float32 file's poses, in degrees."""
    errors = np.abs(wrap_deg(poses.angles.astype(np.float64) - labels))
    moved = geodesic_deg(reference.rotation, poses.rotation)
    figures = {f"{angle}_mae_deg": float(errors[:, i].mean()) for i, angle in enumerate(("yaw", "pitch", "roll"))}
    figures |= {
        "mean_mae_deg": float(errors.mean()),
        "change_mean_deg": float(moved.mean()),
        "change_p99_deg": float(np.percentile(moved, 99)),
        "change_worst_deg": float(moved.max()),
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    before = 0.0
    for result in results:
        if result.name != "precision":
            continue
        error, numbers = result.figures["mean_mae_deg"] or 0.0, result.parameters["numbers"]
        what = str(result.parameters["form"])
        if numbers == "fp32" and what == result.parameters["file"]:
            before = error
            continue
        growth, change = error - before, result.figures["change_mean_deg"] or 0.0
        limit = f"<= {LARGEST_ERROR_GROWTH_DEG:g} degrees from float32's"
        met = abs(growth) <= LARGEST_ERROR_GROWTH_DEG
        lines.append(BudgetLine(f"{what}: mean absolute error", limit, f"{growth:+.3f} degrees", met))
        if numbers == "int8":
            limit, met = f"<= {LARGEST_INT8_CHANGE_DEG:g} degrees on average", change <= LARGEST_INT8_CHANGE_DEG
            lines.append(BudgetLine(f"{what}: change of the rotation", limit, f"{change:.3f} degrees", met))
    return lines


SUITE = Suite("precision", "FP16 and INT8: accuracy on labelled photos, size, time", _add_arguments, _run, _budget)
