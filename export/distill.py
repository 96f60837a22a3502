"""Teach a small network what larger ones know: ``python -m export.distill --teacher A --teacher B --faces FOLDER``.

The student learns the mean of the teachers' distributions (Kullback-Leibler; EHPNet's equations 4 and 5) on faces that
need no labels. ``python -m export.onnx OUT.pth`` then makes the model of it.

This module holds the command line and the exit statuses, :mod:`export.distillation.work` the work.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from export.cli.command import interrupt_on_signals

STUDENTS = ("student-dense", "student-mixed", "student-separable")
BOXES_FROM = ("landmarks", "yunet", "scrfd", "haar")
VIEWS = 2_000_000


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0 done, 1 a failure, 2 wrong usage, 128 + n stopped by signal n.
    """
    from hpe_edge.errors import HpeEdgeError, InputError
    from hpe_edge.util.console import prepare

    prepare()
    try:
        args = _parse(argv)
    except SystemExit as wanted:  # argparse ends the process after --help and wrong usage
        return int(wanted.code or 0)
    try:
        from export.cli.packages import need

        need("torch", "distilling")
        from export.distillation.work import distil

        distil(args)
    except HpeEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt as stop:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 128 + (stop.args[0] if stop.args else signal.SIGINT)
    except BrokenPipeError:
        return 1
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m export.distill",
        description="Teach a small network what larger ones say of faces that need no labels.",
        epilog="A run that was stopped goes on when the same command is given again. Exit status: 0 done, 1 a failure, "
        "2 wrong usage, 128 + n stopped by signal n.",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        required=True,
        metavar="MODEL",
        help="who is believed: an exported ONNX model or a checkpoint of a known family; give it again for each one, "
        "the best first: where another says something else, it is believed less",
    )
    parser.add_argument(
        "--faces",
        type=Path,
        required=True,
        metavar="PATH",
        help="what to learn from: a folder of pictures, a picture or a video",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="face boxes for --faces: x1,y1,x2,y2 in pixels, and file or (video) frame (default: faces are detected)",
    )
    parser.add_argument(
        "--boxes-from",
        choices=BOXES_FROM,
        default=BOXES_FROM[0],
        help="what drew those boxes; landmark boxes reach from chin to eyebrows (default: %(default)s)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="crops of known pose, from which a teacher with plain angles gets its uncertainty: columns "
        "file,x1,y1,x2,y2,yaw,pitch,roll, landmark boxes, pictures beside the file (default: its distance from the "
        "other teachers)",
    )
    parser.add_argument(
        "--student", choices=STUDENTS, default=STUDENTS[0], help="the network that learns (default: %(default)s)"
    )
    parser.add_argument(
        "--views", type=_count, default=VIEWS, metavar="N", help="how many views it learns from (default: %(default)s)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.pth",
        help="the weights to write (default: the student's name with .pth, in the current folder); beside it stand the "
        "run's folder, OUT.run, and the teachers' answers, distill_cache",
    )
    args = parser.parse_args(argv)
    if args.output is not None and args.output.suffix != ".pth":
        parser.error(f"-o must name a file that ends in .pth, got {args.output}")
    if args.boxes is None and args.boxes_from != BOXES_FROM[0]:
        parser.error("--boxes-from says what drew the boxes of --boxes; name that file, too")
    return args


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= 10**9:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to a thousand million, got {text!r}")
    return number


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
