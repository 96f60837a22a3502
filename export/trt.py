"""Build a TensorRT engine: ``python -m export.trt MODEL.onnx``, or of the embedded model.

Builds for the GPU and with the TensorRT that are here, and proves on real faces that the engine's angles are ONNX
Runtime's before it appears under its name.

This module holds the command line and the exit statuses, :mod:`export.tensorrt.make` the work.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from pathlib import Path

from export.cli.command import add_faces_options, add_limit_options, answered, interrupt_on_signals, take_default


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0 done, 1 a failure, 2 wrong usage, 3 the gate failed, 128 + n stopped by signal n.
    """
    advice = (
        "FP16 loses less than INT8, and FP32 than FP16; python -m export.int8 --auto finds the layers that lose most "
        "and keeps them out of INT8; --mean-deg, --p99-deg and --worst-deg set other limits"
    )
    return answered(lambda: _parse(argv), _make, advice)


def _make(args: argparse.Namespace) -> None:
    from export.cli.packages import need

    need("onnx", "building an engine")
    from export.tensorrt.make import make_engine
    from export.tensorrt.settings import Settings

    take_default(args)
    settings = Settings(
        precision=args.precision,
        profile=args.batch,
        workspace_mb=args.workspace,
        level=args.level,
        version_compatible=args.version_compatible,
        hardware=args.hardware,
        dla_core=args.dla,
    )
    make_engine(args, settings)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m export.trt",
        description="Build a TensorRT engine for the GPU of this machine, and prove on real faces that the angles are "
        "those of the ONNX file.",
        epilog="Exit status: 0 done, 1 a failure, 2 wrong usage, 3 the angles changed by more than the limit, 128 + n "
        "stopped by signal n.",
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help="an ONNX file of python -m export.onnx, export.fp16 or export.int8; or a checkpoint, which is converted "
        "first (default: the embedded model)",
    )
    precision = parser.add_mutually_exclusive_group()
    for name, what in (
        ("fp16", "run in FP16 what may; the decode's outputs stay FP32"),
        ("int8", "run in INT8 what the ONNX file of python -m export.int8 says"),
    ):
        precision.add_argument(f"--{name}", dest="precision", action="store_const", const=name, help=what)
    parser.set_defaults(precision="fp32")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="X.engine",
        help="the engine to write, and X.engine.json beside it; existing ones are replaced (default: the model's name "
        "with .engine, in the current folder)",
    )
    parser.add_argument(
        "--batch",
        type=_batch,
        metavar="MIN,OPT,MAX",
        help="faces per run: the fewest, those to tune for, the most; or one number (default: 1,4,16, or the ONNX "
        "file's fixed number). Other numbers of faces are padded or split",
    )
    parser.add_argument("--device", default="cuda", help="cuda (default) or cuda:INDEX")
    parser.add_argument(
        "--layers", action="store_true", help="print the engine's layers, their types and kernels; the plan grows by it"
    )
    build = parser.add_argument_group("the build")
    build.add_argument(
        "--workspace", type=_megabytes, metavar="MB", help="memory that a layer may use (default: all there is)"
    )
    build.add_argument(
        "--level",
        type=int,
        choices=range(6),
        metavar="0-5",
        help="how long to look for faster kernels: 0 builds fastest, 5 runs fastest (default: TensorRT's own, 3)",
    )
    build.add_argument(
        "--version-compatible",
        action="store_true",
        help="newer versions of TensorRT run the engine, too; it may be slower",
    )
    build.add_argument(
        "--hardware",
        choices=("same-gpu", "same-capability", "ampere-plus"),
        default="same-gpu",
        help="GPUs that run the engine: those of the same name (default), of the same compute capability, or all from "
        "Ampere on; the latter may be slower",
    )
    build.add_argument(
        "--dla", type=_core, metavar="CORE", help="use this DLA core where a layer can, the GPU elsewhere; needs --fp16"
    )
    checkpoint = parser.add_argument_group("a checkpoint in place of an ONNX file")
    checkpoint.add_argument("--arch", metavar="NAME", help="its architecture, see python -m export.onnx --list")
    checkpoint.add_argument(
        "--trust", action="store_true", help="run the code that it holds, where reading needs it; see export.onnx"
    )
    check = parser.add_argument_group("the check")
    add_faces_options(check)
    add_limit_options(check)
    args = parser.parse_args(argv)
    args.given = sys.argv[1:] if argv is None else argv
    if args.dla is not None and args.precision != "fp16":
        parser.error("--dla needs --fp16: a DLA computes neither in FP32 nor from QuantizeLinear nodes")
    if args.boxes is not None and args.faces is None:
        parser.error("--boxes says where the faces are in --faces; name those pictures, too")
    return args


def _batch(text: str) -> tuple[int, int, int]:
    """One number stands for all three."""
    if re.fullmatch("[0-9]{1,4}(,[0-9]{1,4},[0-9]{1,4})?", text):
        numbers = [int(number) for number in text.split(",")]
        least, best, most = numbers if len(numbers) == 3 else numbers * 3
        if 1 <= least <= best <= most <= 1024:
            return least, best, most
    raise argparse.ArgumentTypeError(f"must be MIN,OPT,MAX, rising, or one number, from 1 to 1024, got {text!r}")


def _megabytes(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,6}", text):
        raise argparse.ArgumentTypeError(f"must be megabytes, a whole number from 1 on, got {text!r}")
    return int(text)


def _core(text: str) -> int:
    if not re.fullmatch("[0-9]", text):
        raise argparse.ArgumentTypeError(f"must be a DLA core's number, got {text!r}")
    return int(text)


def leave(status: int) -> None:
    """End the process; at once where a build that TensorRT cannot stop is still running."""
    if any(thread.name == "build" for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(status)  # else libraries are unloaded under it
    sys.exit(status)


if __name__ == "__main__":
    interrupt_on_signals()
    leave(main())
