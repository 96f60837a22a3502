"""The suite ``precision``: what FP16 and INT8 do to a model, on labelled photos, and to its size and time on this CPU.

Each form runs as :class:`hpe_edge.PoseEngine` runs it, on a CPU that computes FP16 in float32; the figures of the
file's own gate, with every FP16 result rounded, stand beside these. A reduced file must be made from the float32 file
it is held against, which its spec says. Times are of the network alone, one face, one thread: they say nothing about a
GPU, for which these graphs are laid out.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import COLUMNS, QUICK_PHOTOS, read_labels, read_photo
from benchmarks.suite import BudgetLine, Suite
from benchmarks.timing import Alternative, Case, Effort, Result, measure
from hpe_edge import InputError, PoseEngine, Poses
from hpe_edge.geometry import geodesic_deg, wrap_deg

LARGEST_ERROR_GROWTH_DEG = 0.10
LARGEST_INT8_CHANGE_DEG = 0.7


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


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    names, boxes, labels = read_labels(args.labels)
    if args.quick:
        names, boxes, labels = names[:QUICK_PHOTOS], boxes[:QUICK_PHOTOS], labels[:QUICK_PHOTOS]
    photos = [read_photo(args.labels.parent / name) for name in names]
    for paths in args.forms:
        yield from _network(paths, photos, boxes, labels, effort)


def _network(
    paths: Sequence[Path],
    photos: Sequence[NDArray[np.uint8]],
    boxes: NDArray[np.float32],
    labels: NDArray[np.float64],
    effort: Effort,
) -> Iterator[Result]:
    engines = [PoseEngine(path, threads=1) for path in paths]
    try:
        _check_forms(paths, engines)
        timed = measure(_case(paths, engines, photos[0], boxes[:1]), effort)
        reference = _poses(engines[0], photos, boxes)
        for path, engine in zip(paths, engines, strict=True):
            poses = _poses(engine, photos, boxes)
            form: dict[str, str | int] = {"file": path.stem, "numbers": engine.spec.numbers, "photos": len(photos)}
            parameters: dict[str, str | int] = {**timed.parameters, **form}
            if engine.spec.reductions:
                step = engine.spec.reductions[-1]
                parameters |= {"ranges": step.ranges, "layers in float32": len(step.kept)}
            figures = _figures(poses, reference, labels)
            figures["bytes"] = path.stat().st_size
            if engine.spec.reductions and (gate := engine.spec.gate):
                figures |= {"gate_faces": gate.faces, "gate_mean_deg": gate.mean_deg, "gate_p99_deg": gate.p99_deg}
                figures["gate_worst_deg"] = gate.worst_deg
            yield Result("precision", parameters, figures=figures)
        yield timed
    finally:
        for engine in engines:
            engine.close()


def _check_forms(paths: Sequence[Path], engines: Sequence[PoseEngine]) -> None:
    first = hashlib.sha256(paths[0].read_bytes()).hexdigest()
    if engines[0].spec.reductions:
        raise InputError(f"{paths[0]} is not float32; name the float32 file first")
    for path, engine in zip(paths[1:], engines[1:], strict=True):
        steps = engine.spec.reductions
        if not steps or steps[0].sha256 != first:
            raise InputError(f"{path} was not made from {paths[0]}; make it with python -m export.fp16 or export.int8")


def _case(
    paths: Sequence[Path], engines: Sequence[PoseEngine], photo: NDArray[np.uint8], box: NDArray[np.float32]
) -> Case:
    contexts = []
    for engine in engines:
        context = engine._backend.context()
        engine._crop(photo, box, context.input(1))
        contexts.append(context)
    alternatives = [
        Alternative(
            path.stem,
            "the network's run on one face, input ready",
            lambda context=context: context.run(1),  # type: ignore[misc]
            lambda outputs: {},
            {},
        )
        for path, context in zip(paths, contexts, strict=True)
    ]
    spec = engines[0].spec
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
        if numbers == "fp32":
            before = error
            continue
        growth, change = error - before, result.figures["change_mean_deg"] or 0.0
        what = str(result.parameters["file"])
        limit = f"<= {LARGEST_ERROR_GROWTH_DEG:g} degrees from float32's"
        met = abs(growth) <= LARGEST_ERROR_GROWTH_DEG
        lines.append(BudgetLine(f"{what}: mean absolute error", limit, f"{growth:+.3f} degrees", met))
        if numbers == "int8":
            limit, met = f"<= {LARGEST_INT8_CHANGE_DEG:g} degrees on average", change <= LARGEST_INT8_CHANGE_DEG
            lines.append(BudgetLine(f"{what}: change of the rotation", limit, f"{change:.3f} degrees", met))
    return lines


SUITE = Suite("precision", "FP16 and INT8: accuracy on labelled photos, size, time", _add_arguments, _run, _budget)
