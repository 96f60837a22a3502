"""Make an ONNX model compute in INT8: ``python -m export.int8 IN.onnx --faces FOLDER -o OUT.onnx``.

The ranges of the activations are found on real faces, Q/DQ pairs are put where TensorRT wants them, and the result is
held against its original on other faces before it appears under its name. This module holds the command line, and
:mod:`export.steps.to_int8` the work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export.cli.command import add_limit_options, answered, interrupt_on_signals, take_default

_ADVICE = (
    "--auto keeps the layers that cost most in float32; another --method may do, or more faces, and of more kinds; "
    "--mean-deg and --p99-deg set other limits; export.fp16 costs next to nothing"
)


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0 done, 1 a failure, 2 wrong usage, 3 the gate failed, 128 + n stopped by signal n.
    """
    return answered(lambda: _parse(argv), _make, _ADVICE)


def _make(args: argparse.Namespace) -> None:
    from export.cli.packages import need

    need("onnx", "quantising a model")
    from export.steps.to_int8 import make

    take_default(args)
    make(args)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    from export.quantize.calibrate import METHODS

    parser = argparse.ArgumentParser(
        prog="python -m export.int8",
        description="Make an ONNX model compute in INT8, by TensorRT's rules, and prove on real faces how little the "
        "angles change.",
        epilog="Exit status: 0 done, 1 a failure, 2 wrong usage, 3 the angles changed by more than the limit, 128 + n "
        "stopped by signal n.",
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="IN.onnx",
        help="made by export.onnx, in float32 (default: the embedded model)",
    )
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="PATH",
        required=True,
        help="picture, folder of pictures, or video with faces like those it will see: every other one finds "
        "the ranges, the rest is for the check",
    )
    boxes = parser.add_mutually_exclusive_group()
    boxes.add_argument(
        "--boxes", type=Path, metavar="CSV", help="face boxes for --faces: x1,y1,x2,y2 in pixels, and file or frame"
    )
    boxes.add_argument(
        "--detector",
        type=Path,
        metavar="FILE.onnx",
        help="SCRFD or YuNet, to find the faces (default: OpenCV's Haar cascade)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.onnx", required=True, help="the file to write; one there is replaced"
    )
    parser.add_argument(
        "--method", choices=METHODS, help="how the ranges are found (default: percentile; see docs/precision.md)"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="keep the ranges in this JSON file; where it is there already, take them from it",
    )
    parser.add_argument(
        "--auto",
        action="store_true",
        help="measure what each layer costs, and keep the worst ones in float32 until the check passes",
    )
    add_limit_options(parser)
    args = parser.parse_args(argv)
    if args.output.suffix != ".onnx":
        parser.error(f"-o must name a file that ends in .onnx, got {args.output}")
    return args


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
