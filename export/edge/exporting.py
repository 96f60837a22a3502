"""Step ``export.edge``: its function and its command."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import add_gate_options, add_limit_options, add_model_option, keywords, print_report, step_parser
from export.edge.targets import PLATFORM, TARGETS, TargetName, find_target
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
)
from hpe_edge.errors import InputError
from hpe_edge.util.shell import run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Limits


def export(
    model: PathLike | None = None,
    *,
    to: TargetName,
    output: PathLike,
    fp16: bool = False,
    platform: str | None = None,
    python: PathLike | None = None,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Convert an ONNX model for another library and verify its angles with that library.

    Args:
        model: an ONNX file of ``export.onnx``; None takes the embedded model. ``"openvino-ir"`` takes files of
            ``export.int8`` as well.
        to: ``"ncnn"``, ``"mnn"``, ``"openvino-ir"``, ``"tflite"`` or ``"rknn"``.
        output: the file to write: .param (and .bin beside it), .mnn, .xml (and .bin), .tflite or .rknn; and its
            description, ``<output>.json``. Existing ones are replaced.
        fp16: store the weights in FP16, in half the bytes; for ncnn, MNN and OpenVINO. RKNN always computes in FP16.
        platform: of ``"rknn"``, the chip; None is rk3588.
        python: Python of an environment with the converter; None is this one. ``"tflite"`` and ``"rknn"`` need
            versions of other packages that do not fit this project's.
        images: picture, folder of pictures or video whose faces the accuracy gate runs on; None takes two bundled
            photos.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        limits: limits of the accuracy gate in degrees, over the defaults: worst 0.01; FP16 mean 0.05, worst 0.3; INT8's
            for an INT8 model.
        report: takes each stage's name and lines.

    Returns:
        The file, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        ModelError: the converter or the library refuses the model; the message names the operator where it is known.
        BackendError: the converter is missing, or it crashed or did not end; nothing was written.
        HpeEdgeError: the model, the images or the output cannot be used; nothing was written.
    """
    target = find_target(to)
    need("onnx", "converting a model")
    from export.edge.make_edge import make_edge
    from export.edge.prepare import Request
    from export.gate.comparison import Limits
    from export.quantize.quantized_model import model_or_default

    notes = Notes(report)
    path = model_or_default(model, notes)
    out, seen, csv = Path(output), optional_path(images), optional_path(boxes)
    check_boxes(seen, csv)
    check_output(out, target.suffixes[:1], [("the model", path), ("--images", seen), ("--boxes", csv)])
    if python is not None and not Path(python).is_file():
        raise InputError(f"--python must name the Python of an environment, got {python}")
    request = Request(to, out, fp16, platform, optional_path(python), seen, csv, limits or Limits())
    return make_edge(path, request, notes)


def main(argv: list[str] | None = None, program: str = "python -m export.edge") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        arguments = keywords(_parse(argv, program))
        written = export(**arguments, report=print_report)
        with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):  # the files are complete
            in_place = ", in place of the file that was there" * written.replaced
            files = [
                written.path,
                *(written.path.with_suffix(each) for each in find_target(arguments["to"]).suffixes[1:]),
            ]
            sizes = [f"{file}, {byte_size(file.stat().st_size)}" for file in files]
            print_report("written", [sizes[0] + in_place, *sizes[1:]])
            print_report("next", [f"copy it with its description, {written.path.name}.json; hpe_spec_read reads that"])

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Convert an ONNX model for the library of a phone or board, and verify with that library on real faces that "
        "the angles did not change.",
    )
    add_model_option(parser, "hpe-edge export onnx")
    parser.add_argument("--to", choices=list(TARGETS), required=True, help="the library to convert for")
    suffixes = ", ".join(f"{name}: {target.suffixes[0]}" for name, target in TARGETS.items())
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        required=True,
        help=f"the file to write ({suffixes}), and FILE.json beside it; existing ones are replaced",
    )
    parser.add_argument("--fp16", action="store_true", help="store the weights in FP16 (rknn always computes in FP16)")
    parser.add_argument("--platform", metavar="CHIP", help=f"the chip of --to rknn (default: {PLATFORM})")
    parser.add_argument(
        "--python",
        type=Path,
        metavar="FILE",
        help="Python of an environment with the converter, which tflite and rknn need (default: this Python)",
    )
    check = parser.add_argument_group("the accuracy gate")
    add_gate_options(check)
    add_limit_options(check)
    return parser.parse_args(argv)  # type: ignore[no-any-return]
