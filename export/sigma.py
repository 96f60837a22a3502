"""Calibrate a model's sigma: ``python -m export.sigma MODEL.onnx --labels labels.csv``, or :func:`calibrate`.

One factor per angle is stored in the file, by which its sigma is multiplied from then on: about 68 % of the errors lie
within the result. The network and its angles stay as they are, to the bit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import add_boxes_option, add_images_option, positive, print_report, step_parser
from export.step import (
    Notes,
    PathLike,
    Reporter,
    byte_size,
    check_boxes,
    check_output,
    need,
    optional_path,
    quiet,
    shell_path,
)
from hpe_edge.errors import InputError, ModelError
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

if TYPE_CHECKING:
    from export.quantize.quantized_model import Original
    from export.uncertainty.sigma_factors import Coverage
    from hpe_edge.spec import ModelSpec, SigmaCalibration


@dataclass(frozen=True)
class SigmaReport:
    """Result of a calibration.

    Attributes:
        path: the model.
        size_bytes: of the file.
        spec: as stored in it.
        before, after: shares of errors within sigma as the bins give it, and calibrated, on faces that the factors were
            not measured on; None without labels.
        notes: everything reported, ``"stage: line"``.
    """

    path: Path
    size_bytes: int
    spec: ModelSpec
    before: Coverage | None
    after: Coverage | None
    notes: tuple[str, ...] = ()


def calibrate(
    model: PathLike | None = None,
    *,
    labels: PathLike | None = None,
    detectors: Sequence[PathLike] = (),
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limit_deg: float | None = None,
    output: PathLike | None = None,
    report: Reporter = quiet,
) -> SigmaReport:
    """Calibrate sigma and store the factors in the model.

    Args:
        model: an ONNX file of ``export.onnx``, ``export.fp16`` or ``export.int8`` whose angles come from bins; None
            takes the embedded model.
        labels: CSV with the columns file, x1, y1, x2, y2, yaw, pitch, roll: photos beside it, boxes around the
            landmarks, degrees; at least 30 faces. None: the embedded model's poses of ``images`` take their place.
        detectors: with ``labels``, face detectors whose boxes are used: names or ONNX files. None: the labels'
            boxes, as they are and slightly moved and resized.
        images: without labels, picture, folder of pictures or video of faces; None takes two bundled photos.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        limit_deg: default of ``max_sigma``: a pose is doubtful if the root mean square of its three calibrated sigmas
            is above it. None: no limit.
        output: the file to write; None writes the model itself.
        report: takes each stage's name and lines.

    Returns:
        The file, its spec and, with labels, the share of errors within sigma.

    Raises:
        HpeEdgeError: the model, the photos or the output cannot be used, or there is no plausible factor; nothing was
            written.
    """
    need("onnx", "calibrating a model")
    from export.graph.trace import save
    from export.quantize.quantized_model import model_or_default, read_exported
    from hpe_edge.spec import BinsDecode
    from hpe_edge.util.atomic import Pending

    notes = Notes(report)
    seen, csv, labelled = optional_path(images), optional_path(boxes), optional_path(labels)
    check_boxes(seen, csv)
    if labelled is not None and seen is not None:
        raise InputError("labels and images exclude each other: labelled photos are measured on their labels")
    if labelled is None and detectors:
        raise InputError("--detector applies to --labels, which is missing")
    if model is None and output is None:
        raise InputError("the embedded model is part of the package; name another file for the result with -o")
    path = model_or_default(model, notes)
    out = path if output is None else Path(output)
    check_output(out, (".onnx",), [("--images", seen), ("--boxes", csv), ("--labels", labelled)])
    original = read_exported(path, notes)
    if not isinstance(original.spec.decode, BinsDecode):
        raise ModelError(
            f"{path} gives angles without a distribution ({original.spec.decode.kind}), so it has no sigma to calibrate"
        )
    pending = Pending(out)
    try:
        before = after = None
        if labelled is None:
            sigma = _against_model(original, seen, csv, notes)
        else:
            sigma, before, after = _on_labels(path, labelled, [str(name) for name in detectors], notes)
        spec = replace(original.spec, sigma=replace(sigma, limit_deg=limit_deg))
        save(original.model, spec, pending)
        pending.commit()
        return SigmaReport(out, out.stat().st_size, spec, before, after, notes.lines)
    finally:
        pending.discard()


def _on_labels(
    path: Path, labels: Path, detectors: Sequence[str], report: Reporter
) -> tuple[SigmaCalibration, Coverage, Coverage]:
    """Measure the factors on labelled photos, and judge them on those that each half leaves out."""
    from export.uncertainty.labelled_faces import detected_boxes, errors_on, jittered_boxes, read_labels
    from export.uncertainty.sigma_factors import coverage, cross_validated, from_errors
    from hpe_edge.engine import PoseEngine
    from hpe_edge.faces.open_detector import open_detector
    from hpe_edge.spec import SigmaCalibration

    table = read_labels(labels)
    opened = [open_detector(name) for name in detectors]
    boxes = detected_boxes(table, opened) if opened else jittered_boxes(table)
    with PoseEngine(path) as engine:
        found = errors_on(engine, table, boxes)
    count = len(set(found.faces.tolist()))
    kind = f"boxes of {', '.join(Path(name).stem for name in detectors)}" if detectors else "its boxes, also jittered"
    source = f"{labels.name}, {kind}"
    report("faces", [f"{count} of {source}; {len(found.errors)} boxes"])
    before, after = coverage(found.errors, found.sigma), cross_validated(found.errors, found.sigma, found.faces)
    yaw, pitch, roll = (round(float(factor), 4) for factor in from_errors(found.errors, found.sigma))
    report("sigma", [f"factors yaw {yaw:.2f}, pitch {pitch:.2f}, roll {roll:.2f}"])
    report("before", [before.line()])
    report("after", [after.line(), "on faces that the factors were not measured on, mean and spread of random halves"])
    return SigmaCalibration(yaw, pitch, roll, count, source, labelled=True), before, after


def _against_model(original: Original, images: Path | None, boxes: Path | None, report: Reporter) -> SigmaCalibration:
    from export.gate.gate import backend_runner, poses_of
    from export.uncertainty.against_model import calibrate_against, faces_and_beliefs
    from hpe_edge.backends.onnx.session import OnnxRuntimeBackend

    spec = replace(original.spec, sigma=None)
    believed = faces_and_beliefs(spec, images, boxes)
    report("faces", [believed.faces.source, *believed.faces.notes])
    backend = OnnxRuntimeBackend(original.path)
    try:
        poses = poses_of(backend_runner(backend), spec, believed.faces.crops, backend.max_batch)
    finally:
        backend.close()
    sigma = calibrate_against(spec, poses, believed, report)
    if sigma is None:
        raise ModelError(f"sigma of {original.path} cannot be calibrated without labels; nothing was written")
    return sigma


def main(argv: list[str] | None = None, program: str = "python -m export.sigma") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        written = calibrate(**vars(_parse(argv, program)), report=print_report)
        print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}"])
        print_report("next", [f"hpe-edge info {shell_path(written.path)}"])

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Calibrate a model's sigma, so that about 68 % of the errors lie within it, and store the factors in the "
        "model. Its angles do not change.",
        "Exit status: 0 done, 1 a failure, 2 wrong usage, 128 + n stopped by signal n.",
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL.onnx",
        help="made by export onnx, fp16 or int8 (default: the embedded model, with -o)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="labelled photos, 30 or more: columns file,x1,y1,x2,y2,yaw,pitch,roll, boxes around the landmarks, the "
        "photos beside the file (default: the embedded model's poses of --images are believed within their sigma)",
    )
    parser.add_argument(
        "--detector",
        dest="detectors",
        action="append",
        default=[],
        metavar="NAME",
        help="with --labels: take the boxes of this face detector, a name or a file; repeat it for several "
        "(default: the labels' boxes, also slightly moved and resized)",
    )
    add_images_option(
        parser,
        help="without --labels: picture, folder of pictures, or video of faces (default: two bundled photos)",
    )
    add_boxes_option(parser)
    parser.add_argument(
        "--limit-deg",
        type=positive,
        metavar="DEG",
        help="a pose is doubtful if the root mean square of its three calibrated sigmas is above this (default: no "
        "limit)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.onnx", help="the file to write (default: the model itself)"
    )
    return parser.parse_args(argv)  # type: ignore[no-any-return]


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
