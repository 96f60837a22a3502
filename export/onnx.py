"""Export a head-pose checkpoint to ONNX: ``python -m export.onnx CHECKPOINT``.

Reads the weights safely, recognises the family, exports and simplifies the graph, writes the spec into it, and proves
on real faces that the angles are PyTorch's before the file appears under its name.

This module holds the command line and the exit statuses, :mod:`export.steps.to_onnx` the work. What takes seconds to
import is imported within ``main``, where Ctrl-C is already answered in one line.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from export.cli.command import add_faces_options, answered, interrupt_on_signals, positive

_PACKAGES = ("torch", "onnx", "onnxsim")


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0 done, 1 a failure, 2 wrong usage, 3 the gate failed, 128 + n stopped by signal n.
    """
    advice = "Please report the family and these figures; --worst-deg sets another limit"
    return answered(lambda: _parse(argv), _command, advice)


def _command(args: argparse.Namespace) -> None:
    _need_packages()
    if args.list:
        from export.cli.list_families import listing
        from hpe_edge.util.console import show

        show(listing())
        return
    from export.steps.to_onnx import convert

    convert(args)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    from export import zoo
    from export.gate.gate import ONNX_LIMITS

    parser = argparse.ArgumentParser(
        prog="python -m export.onnx",
        description="Convert a head-pose checkpoint to an ONNX model that hpe-edge runs, and prove on real faces that "
        "the angles did not change.",
        epilog="Exit status: 0 done, 1 a failure, 2 wrong usage, 3 the angles changed by more than the limit, 128 + n "
        "stopped by signal n.",
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        nargs="*",
        metavar="CHECKPOINT",
        help="trained weights: .pth, .pt, .pkl, .tar, .chkpt, .safetensors, or Keras .h5 (WHENet); several become one "
        "model that averages what they say",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="list the known architectures: input, heads, parameters, reported accuracy and whose it is",
    )
    parser.add_argument(
        "--arch",
        action="append",
        default=[],
        choices=zoo.names(),
        metavar="NAME",
        help="architecture, see --list; by default it is recognised from the weights. With several checkpoints: one "
        "for each, in their order, or one for all",
    )
    parser.add_argument(
        "--adopt",
        type=Path,
        metavar="X.onnx",
        help="take this ONNX file, exported elsewhere from the architecture that --arch names; with a CHECKPOINT the "
        "check compares with that, else with the file as it was",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run the code that a checkpoint holds, where reading needs it; only for files from someone you trust",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the ONNX file to write; an existing one is replaced (default: the architecture's name with .onnx, in the "
        "current folder)",
    )
    parser.add_argument(
        "--batch",
        type=_batch,
        metavar="N",
        help="faces per run: 'dynamic' for any number (default), or a fixed number, which some accelerators need",
    )
    add_faces_options(parser)
    parser.add_argument(
        "--worst-deg",
        type=positive,
        default=ONNX_LIMITS.worst_deg,
        metavar="DEG",
        help="largest difference that passes, in degrees (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """What argparse cannot say by itself."""
    if args.list:
        if args.checkpoint or args.adopt or args.arch or args.output:
            parser.error("--list only lists; leave the other options out")
        return
    if args.trust and not args.checkpoint:
        parser.error("--trust is about a CHECKPOINT, and none is named; an ONNX file holds no code")
    if not args.checkpoint and args.adopt is None:
        parser.error("name the CHECKPOINT to convert; --list shows the known architectures")
    if args.adopt is not None and (len(args.arch) != 1 or len(args.checkpoint) > 1):
        parser.error("--adopt needs one --arch, for an ONNX file does not tell its family; and one CHECKPOINT at most")
    if args.adopt is not None and args.batch is not None:
        parser.error("--batch belongs to an export; an adopted file keeps its own")
    if len(args.arch) not in (0, 1, len(args.checkpoint)):
        parser.error(
            f"{len(args.arch)} --arch for {len(args.checkpoint)} checkpoints: give one for each, in their order, or one"
        )
    if args.boxes is not None and args.faces is None:
        parser.error("--boxes says where the faces are in --faces; name those pictures, too")
    if args.output is not None and args.output.suffix != ".onnx":
        parser.error(f"-o must name a file that ends in .onnx, got {args.output}")


def _batch(text: str) -> int:
    """0 is a dynamic batch."""
    if text == "dynamic":
        return 0
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"must be 'dynamic' or a number from 1 to 1024, got {text!r}")
    return int(text)


def _need_packages() -> None:
    from export.cli.packages import need

    for name in _PACKAGES:
        need(name, "exporting")


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
