"""Step ``export.native``: its function and its command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import (
    add_boxes_option,
    add_images_option,
    add_limit_options,
    add_model_option,
    keywords,
    print_model,
    print_report,
    step_parser,
)
from export.step import ExportReport, Notes, PathLike, Reporter, check_boxes, check_output, need, optional_path, quiet
from hpe_edge.errors import InputError
from hpe_edge.util.shell import run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Limits


def export(
    model: PathLike | None = None,
    *,
    output: PathLike,
    calibration_images: PathLike | None = None,
    fp32: bool = False,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Convert an ONNX model for native code and verify its angles.

    Args:
        model: a float32 ONNX file of ``export.onnx``; None takes the embedded model.
        output: the .hpe file to write; an existing one is replaced.
        calibration_images: picture, folder of pictures or video of faces like those of the application, for INT8.
            Calibration and the accuracy gate take alternate faces; fewer than 128 are used for both.
        fp32: keep the weights in FP32, without calibration.
        images: with ``fp32``, the faces that the accuracy gate runs on; None takes two bundled photos.
        boxes: CSV of the face boxes in the images; None detects the faces.
        limits: limits of the accuracy gate in degrees, over the defaults: INT8's of ``export.int8``; with ``fp32``
            worst 0.01.
        report: takes each stage's name and lines.

    Returns:
        The file, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        ModelError: the model has an operator that native code lacks; the message names it.
        HpeEdgeError: the model, the images or the output cannot be used; nothing was written.
    """
    need("onnx", "converting a model")
    from export.gate.comparison import Limits
    from export.native.make_native import make_native
    from export.quantize.quantized_model import model_or_default

    if fp32 == (calibration_images is not None):
        raise InputError("INT8 needs calibration_images; FP32 has none: pass calibration_images or fp32=True")
    if images is not None and not fp32:
        raise InputError("images are those of the gate with fp32; calibration_images serve the gate as well")
    notes = Notes(report)
    path, out = model_or_default(model, notes), Path(output)
    seen, csv = optional_path(images if fp32 else calibration_images), optional_path(boxes)
    check_boxes(seen, csv)
    check_output(out, (".hpe",), [("the model", path), ("the images", seen), ("--boxes", csv)])
    return make_native(path, out, fp32, seen, csv, limits or Limits(), notes)


def main(argv: list[str] | None = None, program: str = "python -m export.native") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        print_model(export(**keywords(_parse(argv, program)), report=print_report))

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Convert an ONNX model for native code, which needs no runtime library, and verify on real faces that the "
        "angles did not change.",
    )
    add_model_option(parser, "export onnx, in float32")
    about = "the file to write; an existing one is replaced"
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.hpe", required=True, help=about)
    precision = parser.add_mutually_exclusive_group(required=True)
    add_images_option(
        precision,
        "--calibration-images",
        help="convert to INT8: picture, folder of pictures, or video with faces like those of the application; "
        "calibration and the accuracy gate take alternate faces",
    )
    precision.add_argument("--fp32", action="store_true", help="keep the weights in FP32")
    check = parser.add_argument_group("the accuracy gate")
    check.add_argument(
        "--images",
        type=Path,
        metavar="PATH",
        help="with --fp32: picture, folder of pictures, or video with faces (default: two bundled photos)",
    )
    add_boxes_option(check)
    add_limit_options(check)
    return parser.parse_args(argv)  # type: ignore[no-any-return]
