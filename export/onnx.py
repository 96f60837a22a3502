"""Export a head-pose checkpoint to ONNX: ``python -m export.onnx CHECKPOINT``.

Reads the weights safely, recognises the family, exports and simplifies the graph, writes the spec into it, and proves
on real faces that the angles are PyTorch's before the file appears under its name.

This module holds the command line and the exit statuses, :mod:`export.convert` the work. What takes seconds to import
is imported within ``main``, where Ctrl-C is already answered in one line.
"""

from __future__ import annotations

import argparse
import importlib
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
        _need_packages()
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
    except SystemExit as wanted:  # argparse ends the process after --help and wrong usage
        return int(wanted.code or 0)
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
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="PyTorch weights: .pkl, .pth, .pt, .tar")
    parser.add_argument(
        "--arch",
        choices=zoo.names(),
        metavar="NAME",
        help=f"architecture family: {', '.join(zoo.names())}; by default it is recognised from the weights",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the ONNX file to write; an existing one is replaced (default: the family's name with .onnx, in the "
        "current folder)",
    )
    parser.add_argument(
        "--batch",
        type=_batch,
        default=None,
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
        help="largest difference to PyTorch that passes, in degrees (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    if args.boxes is not None and args.faces is None:
        parser.error("--boxes says where the faces are in --faces; name those pictures, too")
    if args.output is not None and args.output.suffix != ".onnx":
        parser.error(f"-o must name a file that ends in .onnx, got {args.output}")
    return args


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
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
    from hpe_edge.errors import BackendError

    for name in _PACKAGES:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:  # OSError: a library of torch's is missing
            raise BackendError(
                f"exporting needs {name}, which cannot be imported here ({error}); run, in the checkout: "
                "pip install -c constraints.txt '.[export]'"
            ) from None


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
