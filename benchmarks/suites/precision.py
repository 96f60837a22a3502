"""Suite ``precision``: FP16 and INT8 beside FP32, on labelled photos: accuracy, size, and time on this CPU.

Each file runs by ONNX Runtime, which computes FP16 in float32 on a CPU, or also by OpenVINO, and is compared with
ONNX Runtime on its float32 original, beside the figures of the file's own gate. Times are of the network alone, one
face, one thread, on a CPU, although these graphs are made for GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.labels_csv import LAYOUT, LabelledPhotos, read_labelled_photos
from benchmarks.harness.suite import BudgetLine, Suite, option, path_option
from benchmarks.harness.timing import Effort, Result, measure
from benchmarks.inputs.precision_variants import PrecisionVariant, network_case, open_variants
from hpe_edge import PoseEngine, Poses
from hpe_edge.backends.options import Precision
from hpe_edge.geometry import geodesic_deg, wrap_deg

LARGEST_ERROR_GROWTH_DEG = 0.10
LARGEST_INT8_CHANGE_DEG = 0.7


@dataclass(frozen=True)
class Options:
    models: Sequence[Sequence[Path]] = path_option(
        "the float32 file, then those made from it; once for each network",
        metavar="MODEL.onnx",
        flags=["--models", "--forms"],
        nargs="+",
        action="append",
    )
    labels: Path = path_option(LAYOUT, metavar="CSV")
    openvino: Sequence[Precision] = option(
        "run every file by OpenVINO, too, in each of these", (), nargs="+", choices=get_args(Precision)
    )


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    labelled = read_labelled_photos(options.labels, quick=effort.quick)
    for paths in options.models:
        with ExitStack() as stack:
            yield from _network(open_variants(paths, options.openvino, stack), labelled, effort)


def _network(variants: Sequence[PrecisionVariant], labelled: LabelledPhotos, effort: Effort) -> Iterator[Result]:
    timed = measure(network_case(variants, labelled.photos[0], labelled.boxes[:1]), effort)
    reference = _poses(variants[0].engine, labelled)
    for variant in variants:
        spec, poses = variant.engine.spec, _poses(variant.engine, labelled)
        parameters: dict[str, str | int] = {
            **timed.parameters,
            "file": variant.path.stem,
            "form": variant.label,
            "numbers": spec.precision,
            "photos": len(labelled.photos),
        }
        figures = _figures(poses, reference, labelled.angles_deg)
        figures["bytes"] = variant.path.stat().st_size
        if spec.quantizations:
            step, gate = spec.quantizations[-1], spec.gate
            parameters |= {"ranges": step.ranges, "layers in float32": len(step.kept)}
            if gate:
                figures |= {"gate_faces": gate.faces, "gate_mean_deg": gate.mean_deg, "gate_p99_deg": gate.p99_deg}
                figures["gate_worst_deg"] = gate.worst_deg
        yield Result("precision", parameters, figures=figures)
    yield timed


def _poses(engine: PoseEngine, labelled: LabelledPhotos) -> Poses:
    each = [engine(photo, box[None]) for photo, box in zip(labelled.photos, labelled.boxes, strict=True)]
    arrays = ([getattr(one, name) for one in each] for name in ("angles", "sigma", "rotation"))
    return Poses(*map(np.concatenate, arrays))


def _figures(poses: Poses, reference: Poses, labels: NDArray[np.float64]) -> dict[str, float | None]:
    """Return mean absolute errors against the labels, and the distance from the float32 file's poses, in degrees."""
    errors = np.abs(wrap_deg(poses.angles.astype(np.float64) - labels))
    moved = geodesic_deg(reference.rotation, poses.rotation)
    figures = {f"{angle}_mae_deg": errors[:, i].mean() for i, angle in enumerate(("yaw", "pitch", "roll"))}
    figures |= {"mean_mae_deg": errors.mean(), "change_mean_deg": moved.mean()}
    figures |= {"change_p99_deg": np.percentile(moved, 99), "change_worst_deg": moved.max()}
    return {name: round(float(value), 4) for name, value in figures.items()}


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    before = 0.0
    for result in (result for result in results if result.name == "precision"):
        error, precision = result.figures["mean_mae_deg"] or 0.0, result.parameters["numbers"]
        what = str(result.parameters["form"])
        if precision == "fp32" and what == result.parameters["file"]:
            before = error
            continue
        growth, change = error - before, result.figures["change_mean_deg"] or 0.0
        limit = f"<= {LARGEST_ERROR_GROWTH_DEG:g} degrees from float32's"
        met = abs(growth) <= LARGEST_ERROR_GROWTH_DEG
        lines.append(BudgetLine(f"{what}: mean absolute error", limit, f"{growth:+.3f} degrees", met))
        if precision == "int8":
            limit, met = f"<= {LARGEST_INT8_CHANGE_DEG:g} degrees on average", change <= LARGEST_INT8_CHANGE_DEG
            lines.append(BudgetLine(f"{what}: change of the rotation", limit, f"{change:.3f} degrees", met))
    return lines


SUITE = Suite("precision", "FP16 and INT8: accuracy on labelled photos, size, time", _run, Options, _budget)
