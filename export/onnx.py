"""Export a head-pose checkpoint to ONNX: ``python -m export.onnx CHECKPOINT``.

Reads the weights safely, recognises the family, exports and simplifies the graph, writes the spec into it, and proves
on real faces that the angles are PyTorch's before the file appears under its name.

This module holds the command line and the exit statuses, :mod:`export.convert` the work. What takes seconds to import
is imported within ``main``, where Ctrl-C is already answered in one line.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import sys
from pathlib import Path
from types import FrameType

_PACKAGES = ("torch", "onnx", "onnxsim")
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0 done, 1 a failure, 2 wrong usage, 3 the gate failed, 128 + n stopped by signal n.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path that the terminal cannot show is no failure
    try:
        status = _command(argv)
    except KeyboardInterrupt as stop:
        print("interrupted; nothing was written", file=sys.stderr)
        status = 128 + (stop.args[0] if stop.args else signal.SIGINT)
    except BrokenPipeError:
        status = 1
    return _flush(status)


def _command(argv: list[str] | None) -> int:
    from hpe_edge.errors import HpeEdgeError, InputError

    try:
        args = _parse(argv)
    except SystemExit as wanted:  # argparse ends the process after --help and wrong usage
        return int(wanted.code or 0)
    try:
        _need_packages()
        if args.list:
            from export.listing import listing
            from hpe_edge.console import show

            show(listing())
            return 0
        from export.convert import convert
        from export.gate import GateFailed

        try:
            convert(args)
        except GateFailed as error:
            print(
                f"error: {error}; nothing was written. Please report the family and these figures; --worst-deg sets "
                "another limit",
                file=sys.stderr,
            )
            return 3
    except HpeEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


def _flush(status: int) -> int:
    """Empty standard output, and give the exit status; where it cannot be emptied, that is not 0."""
    try:
        print(end="", flush=True)
    except OSError as error:
        # Python must not try again on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if status == 0 and not isinstance(error, BrokenPipeError):
            print(f"error: cannot write to standard output: {error.strerror}", file=sys.stderr)
        return status or 1
    return status


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does, so that its temporary file is removed.

    What follows the first signal is ignored, so that a second Ctrl-C does not cut the cleaning short.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    for each in _STOP_SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:  # nohup's wish stays
            signal.signal(each, interrupt)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    from export import zoo
    from export.gate import ONNX_LIMITS

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
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="PATH",
        help="picture, folder of pictures, or video whose faces the check runs on (default: two bundled photos)",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="face boxes for --faces: x1,y1,x2,y2 in pixels, and file or (video) frame (default: faces are detected)",
    )
    parser.add_argument(
        "--worst-deg",
        type=_positive,
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


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def _need_packages() -> None:
    from export.packages import need

    for name in _PACKAGES:
        need(name, "exporting")


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
