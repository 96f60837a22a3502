"""Distil a small network from larger ones: ``python -m export.distill --teacher A --teacher B --images FOLDER``.

The student learns the mean of the teachers' distributions (Kullback-Leibler divergence; EHPNet's equations 4 and 5) on
faces that need no labels. ``python -m export.onnx OUT.pth`` then exports it. In Python: :func:`train`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.cli import add_images_option, print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, check_output, need, optional_path, quiet
from hpe_edge.errors import InputError
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

STUDENTS = ("student-dense", "student-mixed", "student-separable")
BOXES_FROM = ("landmarks", "yunet", "scrfd", "haar")
VIEWS = 2_000_000
_MOST_VIEWS = 10**9


@dataclass(frozen=True)
class DistillReport:
    """Result of a distillation.

    Attributes:
        path: the weights.
        size_bytes: of that file.
        run: folder of the log, the curves and the last checkpoint.
        kept_error_deg: mean distance of the student from the teachers, on faces that it did not learn from.
        notes: all that was reported on the way, ``"stage: line"``.
    """

    path: Path
    size_bytes: int
    run: Path
    kept_error_deg: float
    notes: tuple[str, ...] = ()


def train(
    teachers: PathLike | Sequence[PathLike],
    *,
    images: PathLike,
    boxes: PathLike | None = None,
    boxes_from: str = BOXES_FROM[0],
    labels: PathLike | None = None,
    student: str = STUDENTS[0],
    views: int = VIEWS,
    output: PathLike | None = None,
    report: Reporter = quiet,
) -> DistillReport:
    """Train a small network on the predictions of larger ones.

    A run that was stopped goes on when it is called again with the same arguments.

    Args:
        teachers: exported ONNX models or checkpoints of known families, the best first: where another one disagrees
            with it, that one counts less.
        images: folder of pictures, picture or video with the faces to learn from.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        boxes_from: source of those boxes: ``"landmarks"`` (chin to eyebrows), ``"yunet"``, ``"scrfd"`` or ``"haar"``.
        labels: CSV of crops of known pose, from which a teacher with plain angles gets its uncertainty; None takes its
            distance from the other teachers.
        student: the network to train, one of :data:`STUDENTS`.
        views: number of augmented faces to learn from.
        output: the weights to write; None is the student's name with .pth, in the current folder. Beside it stand the
            run's folder, OUT.run, and the teachers' predictions, distill_cache.
        report: takes each stage's name and lines.

    Returns:
        The weights, and the student's distance from its teachers.

    Raises:
        HpeEdgeError: a teacher, the images, the labels or the output cannot be used.
        KeyboardInterrupt: stopped; the last checkpoint stays.

    Source: EHPNet, equations 4 and 5.
    """
    need("torch", "distilling")
    from export.distillation.train_student import Settings, train_student

    paths = [Path(teachers)] if isinstance(teachers, str | Path) else [Path(path) for path in teachers]
    if not paths:
        raise InputError("name at least one teacher")
    if student not in STUDENTS:
        raise InputError(f"the student must be one of {', '.join(STUDENTS)}, got {student!r}")
    if boxes_from not in BOXES_FROM:
        raise InputError(f"boxes_from must be one of {', '.join(BOXES_FROM)}, got {boxes_from!r}")
    if boxes is None and boxes_from != BOXES_FROM[0]:
        raise InputError("--boxes-from tells what drew the boxes of --boxes; name that file, too")
    if not 1 <= views <= _MOST_VIEWS:
        raise InputError(f"the number of views must be from 1 to {_MOST_VIEWS}, got {views}")
    out = optional_path(output) or Path(f"{student}.pth")
    settings = Settings(paths, Path(images), optional_path(boxes), boxes_from, optional_path(labels), student, views)
    inputs = [("--images", settings.images), ("--boxes", settings.boxes), ("--labels", settings.labels)]
    check_output(out, (".pth",), [*(("--teacher", path) for path in paths), *inputs])
    notes = Notes(report)
    run, error_deg = train_student(settings, out, notes)
    return DistillReport(out, out.stat().st_size, run, error_deg, notes.lines)


def main(argv: list[str] | None = None, program: str = "python -m export.distill") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        args = _parse(argv, program)
        written = train(
            args.teacher,
            images=args.images,
            boxes=args.boxes,
            boxes_from=args.boxes_from,
            labels=args.labels,
            student=args.student,
            views=args.views,
            output=args.output,
            report=print_report,
        )
        log = f"log and curves are in {written.run}"
        print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}; {log}"])
        print_report("next", [f"hpe-edge export onnx {written.path}"])

    return run_in_shell(program, command, interrupted="the same command goes on from the last checkpoint")


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Train a small network on the predictions of larger ones, for faces that need no labels.",
        "A run that was stopped goes on when the same command is given again. Exit status: 0 done, 1 a failure, "
        "2 wrong usage, 128 + n stopped by signal n.",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        required=True,
        metavar="MODEL",
        help="teacher model: an exported ONNX model or a checkpoint of a known family; give it again for each one, the "
        "best first: where another one disagrees with it, that one counts less",
    )
    add_images_option(
        parser, required=True, help="images with the faces to learn from: a folder of pictures, a picture or a video"
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="face boxes for --images: x1,y1,x2,y2 in pixels, and file or (video) frame (default: faces are detected)",
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
        "--student", choices=STUDENTS, default=STUDENTS[0], help="the network to train (default: %(default)s)"
    )
    parser.add_argument(
        "--views",
        type=_count,
        default=VIEWS,
        metavar="N",
        help="number of augmented faces to learn from (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.pth",
        help="the weights to write (default: the student's name with .pth, in the current folder); beside it stand the "
        "run's folder, OUT.run, and the teachers' predictions, distill_cache",
    )
    return parser.parse_args(argv)  # type: ignore[no-any-return]


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= _MOST_VIEWS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to a thousand million, got {text!r}")
    return number


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
