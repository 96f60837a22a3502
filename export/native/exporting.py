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
    print_written,
    step_parser,
)
from export.step import (
    ExportReport,
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
from hpe_edge.errors import InputError
from hpe_edge.util.shell import run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Limits
    from export.native.make_detector import DetectorExport


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

    seen, csv = _faces(calibration_images, fp32, images), optional_path(boxes)
    notes = Notes(report)
    path, out = model_or_default(model, notes), Path(output)
    check_boxes(seen, csv)
    check_output(out, (".hpe",), [("the model", path), ("the images", seen), ("--boxes", csv)])
    return make_native(path, out, fp32, seen, csv, limits or Limits(), notes)


def export_detector(
    model: PathLike | None = None,
    *,
    output: PathLike,
    calibration_images: PathLike | None = None,
    fp32: bool = False,
    images: PathLike | None = None,
    report: Reporter = quiet,
) -> DetectorExport:
    """Convert the ONNX file of a face detector for native code and verify what it finds.

    Args:
        model: a detector of :mod:`export.detector`, or another that :func:`hpe_edge.open_detector` takes; None takes
            the embedded one.
        output: the .hpe file to write; an existing one is replaced.
        calibration_images: picture, folder of pictures or video with faces like those of the application, for INT8.
            Calibration and the gate take alternate frames; fewer than 16 are used for both.
        fp32: keep the weights in FP32, without calibration.
        images: with ``fp32``, the frames that the gate runs on; None takes two bundled photos.
        report: takes each stage's name and lines.

    Returns:
        The file and its agreement with the ONNX file.

    Raises:
        DetectorsDisagree: it finds other faces; nothing was written.
        ModelError: the model has an operator that native code lacks; the message names it.
        HpeEdgeError: the model, the images or the output cannot be used; nothing was written.
    """
    need("onnx", "converting a model")
    from export.native.make_detector import make_detector
    from hpe_edge.models import FACE_DETECTOR

    seen = _faces(calibration_images, fp32, images)
    notes = Notes(report)
    path, out = FACE_DETECTOR if model is None else Path(model), Path(output)
    check_output(out, (".hpe",), [("the model", path), ("the images", seen)])
    return make_detector(path, out, fp32, seen, notes)


def _faces(calibration_images: PathLike | None, fp32: bool, images: PathLike | None) -> Path | None:
    """The images of calibration or gate."""
    if fp32 == (calibration_images is not None):
        raise InputError("INT8 needs calibration_images; FP32 has none: pass calibration_images or fp32=True")
    if images is not None and not fp32:
        raise InputError("images are those of the gate with fp32; calibration_images serve the gate as well")
    return optional_path(images if fp32 else calibration_images)


def main(argv: list[str] | None = None, program: str = "python -m export.native") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        given = keywords(_parse(argv, program))
        if not given.pop("detector"):
            print_model(export(**given, report=print_report))
            return
        if given.pop("boxes") is not None or any(vars(given.pop("limits")).values()):
            raise InputError("--boxes and limits in degrees are those of head-pose models, not of a --detector")
        written = export_detector(**given, report=print_report)
        run = f"hpe-edge run PICTURE --detector {shell_path(written.path)} -o posed.jpg"
        print_written(written.path, byte_size(written.size_bytes), written.replaced, run)

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
    kind = "the model is a face detector (default: the embedded one), verified by what it finds"
    parser.add_argument("--detector", action="store_true", help=kind)
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
