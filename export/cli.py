"""Command lines of the export steps: shared options and the printed report."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.step import ExportReport, byte_size, shell_path
from hpe_edge.util.console import show
from hpe_edge.util.shell import CommandParser

if TYPE_CHECKING:
    from export.gate.comparison import Limits

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
    _print_last(written, size, f"hpe-edge run PICTURE --model {shell_path(written.path)} -o posed.jpg")


def print_quantized(written: ExportReport) -> None:
    """Print the file and the command that builds an engine of it."""
    option = "--int8" if "int8" in written.spec.precision else "--fp16"
    engine = f"hpe-edge export trt {shell_path(written.path)} {option}"
    _print_last(written, byte_size(written.size_bytes), f"{engine}, on the machine that is to run it")


def _print_last(written: ExportReport, size: str, following: str) -> None:
    # The file is complete: a gone reader and Ctrl-C do not make the command fail any more.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        in_place = ", in place of the file that was there" * written.replaced
        print_report("written", [f"{written.path}, {size}{in_place}"])
        print_report("next", [following])


def add_images_option(
    parser: argparse._ActionsContainer, name: str = "--images", *, help: str, required: bool = False
) -> None:
    """An option for images of faces; its old name, ``--faces``, works and is reported."""
    action = parser.add_argument(
        name, "--faces", action=_RenamedOption, type=Path, metavar="PATH", required=required, help=help
    )
    action.option_strings = [name]  # help and suggestions show the new name only


class _RenamedOption(argparse.Action):
    """Stores a value; the old name of the option is reported on standard error."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        new = self.option_strings[0]
        if option is not None and option != new:
            print(f"{parser.prog}: {option} is now {new}; the old name will be removed", file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_gate_options(parser: argparse._ActionsContainer) -> None:
    """--images and --boxes: the faces that the accuracy gate runs on."""
    add_images_option(
        parser,
        help="picture, folder of pictures, or video whose faces the accuracy gate runs on (default: two bundled "
        "photos)",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="face boxes for --images: x1,y1,x2,y2 in pixels, and file or (video) frame (default: faces are detected)",
    )


def add_limit_options(parser: argparse._ActionsContainer) -> None:
    """--mean-deg, --p99-deg and --worst-deg: the limits of the accuracy gate."""
    for name, what in (("mean", "mean"), ("p99", "99th percentile of the"), ("worst", "largest")):
        parser.add_argument(
            f"--{name}-deg",
            type=positive,
            metavar="DEG",
            help=f"{what} difference that passes, in degrees (default: by precision)",
        )


def limits_of(args: argparse.Namespace) -> Limits:
    """The limits that the command line sets."""
    from export.gate.comparison import Limits

    return Limits(args.mean_deg, args.p99_deg, args.worst_deg)


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value
