"""What the commands ``python -m export.<step>`` share: exit statuses, signals, standard output, common options.

What takes seconds to import is imported within, where Ctrl-C is already answered in one line.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.gate.gate import Limits

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def answered(
    parse: Callable[[], argparse.Namespace], work: Callable[[argparse.Namespace], None], gate_advice: str
) -> int:
    """Do a command's work and say in one line what goes wrong.

    Args:
        parse: reads the command line.
        work: does what it says.
        gate_advice: a sentence on what to do where the gate fails.

    Returns:
        The exit status: 0 done, 1 a failure, 2 wrong usage, 3 the gate failed, 128 + n stopped by signal n.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path that the terminal cannot show is no failure
    try:
        status = _answered(parse, work, gate_advice)
    except KeyboardInterrupt as stop:
        print("interrupted; nothing was written", file=sys.stderr)
        status = 128 + (stop.args[0] if stop.args else signal.SIGINT)
    except BrokenPipeError:
        status = 1
    return _flush(status)


def _answered(
    parse: Callable[[], argparse.Namespace], work: Callable[[argparse.Namespace], None], gate_advice: str
) -> int:
    from export.gate.gate import GateFailed
    from hpe_edge.errors import HpeEdgeError, InputError

    try:
        args = parse()
    except SystemExit as wanted:  # argparse ends the process after --help and wrong usage
        return int(wanted.code or 0)
    try:
        work(args)
    except GateFailed as error:
        print(f"error: {error}; nothing was written. {gate_advice}", file=sys.stderr)
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


def add_faces_options(parser: argparse._ActionsContainer) -> None:
    """--faces and --boxes: what the gate looks at."""
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


def take_default(args: argparse.Namespace) -> None:
    """Put the embedded model in the place of one that is not named, and say so."""
    if args.model is None:
        from export.cli.report import say
        from hpe_edge.models import DEFAULT, DEFAULT_NAME

        args.model = DEFAULT
        say("model", f"none was named: {DEFAULT_NAME}")


def add_limit_options(parser: argparse._ActionsContainer) -> None:
    """--mean-deg, --p99-deg and --worst-deg: what the gate lets pass."""
    for name, what in (("mean", "mean"), ("p99", "99th percentile of the"), ("worst", "largest")):
        parser.add_argument(
            f"--{name}-deg",
            type=positive,
            metavar="DEG",
            help=f"{what} difference that passes, in degrees (default: by precision)",
        )


def limits_of(args: argparse.Namespace, usual: Limits) -> Limits:
    """The usual limits, with those of the command line in their place."""
    from dataclasses import replace

    given = {name: getattr(args, name) for name in ("mean_deg", "p99_deg", "worst_deg")}
    return replace(usual, **{name: value for name, value in given.items() if value is not None})


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value
