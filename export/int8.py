"""Quantize an ONNX model to INT8: ``python -m export.int8 IN.onnx --calibration-images FOLDER -o OUT.onnx``.

The ranges of the activations are calibrated on real faces, Q/DQ pairs are put where TensorRT wants them, and the result
is compared with its original on other faces before it appears under its name. In Python: :func:`quantize`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from export.cli import (
    add_boxes_option,
    add_images_option,
    add_limit_options,
    add_onnx_options,
    keywords,
    print_quantized,
    print_report,
    step_parser,
)
from export.step import ExportReport, Notes, PathLike, Reporter, check_output, need, optional_path, quiet
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Limits


def quantize(
    model: PathLike | None = None,
    *,
    output: PathLike,
    calibration_images: PathLike,
    boxes: PathLike | None = None,
    detector: PathLike | None = None,
    method: Literal["minmax", "entropy", "percentile"] | None = None,
    calibration: PathLike | None = None,
    auto: bool = True,
    worst: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Quantize an ONNX model to INT8 by TensorRT's rules and verify its angles.

    Args:
        model: a float32 ONNX file of ``export.onnx``; None takes the embedded model.
        output: the ONNX file to write; an existing one is replaced.
        calibration_images: picture, folder of pictures or video of faces like those of the application. Calibration and
            the accuracy gate take alternate faces; fewer than 128 are used for both.
        boxes: CSV of the face boxes in ``calibration_images``; None detects the faces.
        detector: a face detector's ONNX file, SCRFD or YuNet; None takes OpenCV's Haar cascade. Not with ``boxes``.
        method: see :func:`export.quantize.calibrate.find_ranges`; None is ``"percentile"``, or that of an existing
            calibration.
        calibration: JSON file of the ranges. An existing one is used, else it is written.
        auto: keep the most sensitive layers in float32, as few as the gate needs; otherwise it fails.
        worst: PNG file to write, the faces that moved most with both poses; also written where the gate fails. None
            writes ``OUT.worst.png`` beside the output.
        limits: limits of the accuracy gate in degrees, over the defaults: mean 1, 99th percentile 3, 99.9th 2.5,
            worst 5.
        report: takes each stage's name and lines.

    Returns:
        The file, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: the model, the images or the output cannot be used; nothing was written.

    Source of the rules: :mod:`export.quantize.qdq_rules`.
    """
    need("onnx", "quantizing a model")
    from export.gate.comparison import Limits
    from export.quantize.quantized_model import model_or_default
    from export.quantize.to_int8 import CalibrationImages, picture_path, quantize_file
    from hpe_edge.errors import InputError

    notes = Notes(report)
    path, out = model_or_default(model, notes), Path(output)
    given = CalibrationImages.of(calibration_images, boxes, detector)
    ranges = optional_path(calibration)
    inputs = [("the model", path), ("--calibration-images", given.images), ("--boxes", given.boxes)]
    check_output(out, (".onnx",), [*inputs, ("--detector", given.detector), ("--calibration", ranges)])
    picture = picture_path(worst, out)
    if ranges is not None and ranges.suffix != ".json":
        raise InputError(f"--calibration must name a file that ends in .json, got {ranges}")
    return quantize_file(
        path,
        out,
        given,
        method=method,
        calibration=ranges,
        auto=auto,
        worst_picture=picture,
        limits=limits or Limits(),
        notes=notes,
    )


def main(argv: list[str] | None = None, program: str = "python -m export.int8") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        print_quantized(quantize(**keywords(_parse(argv, program)), report=print_report))

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Quantize an ONNX model to INT8 by TensorRT's rules, and verify on real faces how little the angles change.",
    )
    add_onnx_options(parser, "export onnx, in float32")
    add_images_option(
        parser,
        "--calibration-images",
        required=True,
        help="picture, folder of pictures, or video with faces like those of the application; calibration and the "
        "accuracy gate take alternate faces",
    )
    boxes = parser.add_mutually_exclusive_group()
    add_boxes_option(boxes, "--calibration-images")
    boxes.add_argument(
        "--detector",
        type=Path,
        metavar="FILE.onnx",
        help="SCRFD or YuNet, to find the faces (default: OpenCV's Haar cascade)",
    )
    parser.add_argument(
        "--method",
        choices=("minmax", "entropy", "percentile"),
        help="calibration method (default: percentile; see docs/precision.md)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="JSON file of the ranges: an existing one is used, else it is written",
    )
    parser.add_argument(
        "--auto",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep the most sensitive layers in float32, as few as the gate needs (default)",
    )
    parser.add_argument(
        "--worst",
        type=Path,
        metavar="FILE.png",
        help="picture to write of the faces that moved most, with both poses (default: OUT.worst.png)",
    )
    add_limit_options(parser)
    return parser.parse_args(argv)  # type: ignore[no-any-return]


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
