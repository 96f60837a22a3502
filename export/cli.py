"""Command lines of the export steps: shared options and the printed report."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from export.step import ExportReport, byte_size, shell_path
from hpe_edge.backends.tensorrt.plan_file import library_of
from hpe_edge.util.console import print_message, show
from hpe_edge.util.shell import CommandParser

_STATUSES = (
    "Exit status: 0 done, 1 a failure, 2 wrong usage, 3 the angles changed by more than the limit, 128 + n stopped by "
    "signal n."
)


def step_parser(program: str, description: str, epilog: str = _STATUSES) -> CommandParser:
    """The parser of a step."""
    return CommandParser(prog=program, description=description, epilog=epilog, formatter_class=argparse.HelpFormatter)


def print_report(stage: str, lines: Sequence[str]) -> None:
    """Print a stage on standard output: its name, then its lines, indented alike.

    Raises:
        OutputError: standard output cannot be written to.
        BrokenPipeError: its reader has gone.
    """
    for i, line in enumerate(lines):
        show(f"{stage if i == 0 else '':<12}{line}")


def print_model(written: ExportReport) -> None:
    """Print the file and the command that runs it."""
    size = byte_size(written.size_bytes)
    where = ", on a machine with such a GPU" if library_of(written.path) == "tensorrt-rtx" else ""
    _print_last(written, size, f"hpe-edge run PICTURE --model {shell_path(written.path)} -o posed.jpg{where}")


def print_quantized(written: ExportReport) -> None:
    """Print the file and the command that builds an engine of it."""
    option = "--int8" if "int8" in written.spec.precision else "--fp16"
    engine = f"hpe-edge export trt {shell_path(written.path)} {option}"
    _print_last(written, byte_size(written.size_bytes), f"{engine}, on the target machine")


def _print_last(written: ExportReport, size: str, following: str) -> None:
    print_written(written.path, size, written.replaced, following)


def print_written(path: Path, size: str, replaced: bool, following: str) -> None:
    """Print a file that was written and the command that uses it."""
    # The file is complete: a closed pipe or Ctrl-C no longer fails the command.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        in_place = ", in place of the file that was there" * replaced
        print_report("written", [f"{path}, {size}{in_place}"])
        print_report("next", [following])


def add_images_option(
    parser: argparse._ActionsContainer, name: str = "--images", *, help: str, required: bool = False
) -> None:
    """Add an option for face images; its old name, ``--faces``, still works and prints a notice."""
    action = parser.add_argument(
        name, "--faces", action=_RenamedOption, type=Path, metavar="PATH", required=required, help=help
    )
    action.option_strings = [name]  # help and suggestions show the new name only


class _RenamedOption(argparse.Action):
    """Store a value; print a notice on standard error for the option's old name."""

    _given: str | None = None

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        new = self.option_strings[0]
        if self._given not in (None, option):
            raise argparse.ArgumentError(self, f"{self._given} and {option} are one option; give it once")
        if option != new and self._given is None:
            print_message(f"{parser.prog}: {option} is now {new}; the old name will be removed")
        self._given = option
        setattr(namespace, self.dest, values)


def add_gate_options(parser: argparse._ActionsContainer) -> None:
    """Add --images and --boxes: the faces of the accuracy gate."""
    add_images_option(
        parser,
        help="picture, folder of pictures, or video whose faces the accuracy gate runs on (default: two bundled "
        "photos)",
    )
    add_boxes_option(parser)


def add_boxes_option(parser: argparse._ActionsContainer, images: str = "--images") -> None:
    """Add --boxes: the face boxes of an option's images."""
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help=f"face boxes for {images}: x1,y1,x2,y2 in pixels, and file or (video) frame (default: faces are detected)",
    )


def add_onnx_options(parser: argparse.ArgumentParser, made_by: str) -> None:
    """Add the ONNX file to convert and the ONNX file to write."""
    add_model_option(parser, made_by, "IN.onnx")
    about = "the file to write; an existing one is replaced"
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.onnx", required=True, help=about)


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """Add the ONNX file to convert and the folder to write."""
    add_model_option(parser, "hpe-edge export onnx, fp16 or int8")
    about = "the folder to write, new or empty"
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", required=True, help=about)


def add_model_option(parser: argparse.ArgumentParser, made_by: str, metavar: str = "MODEL.onnx") -> None:
    """Add the ONNX file to convert."""
    about = f"made by {made_by} (default: the embedded model)"
    parser.add_argument("model", type=Path, nargs="?", metavar=metavar, help=about)


def add_limit_options(parser: argparse._ActionsContainer) -> None:
    """Add --mean-deg, --p99-deg, --p999-deg, --worst-deg and those for landmarks: the limits of the accuracy gate."""
    for name, what in (
        ("mean", "mean"),
        ("p99", "99th percentile of the"),
        ("p999", "99.9th percentile of the"),
        ("worst", "largest"),
    ):
        parser.add_argument(
            f"--{name}-deg",
            type=positive,
            metavar="DEG",
            help=f"{what} difference that passes, in degrees (default: by precision)",
        )
    for name, what in (("mean", "mean"), ("worst", "largest")):
        add_landmark_limit(parser, name, what, None)


def add_landmark_limit(parser: argparse._ActionsContainer, name: str, what: str, default: float | None) -> None:
    """Add --landmarks-mean or --landmarks-worst."""
    parser.add_argument(
        f"--landmarks-{name}",
        type=positive,
        default=default,
        metavar="SHARE",
        help=f"{what} distance between landmarks that passes, as a share of the box's side (default: "
        f"{'by precision' if default is None else '%(default)s'})",
    )


def keywords(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments of a step's function: the options by name, the options for limits together as ``limits``."""
    from export.gate.comparison import Limits

    given = vars(args).copy()
    limits = Limits(**{each.name: given.pop(each.name, None) for each in fields(Limits)})
    return {"limits": limits, **given}


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value
