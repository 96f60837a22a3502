"""Distil a small network from larger ones: ``python -m export.distill --teacher A --teacher B --images FOLDER``.

The student learns the mean of the teachers' distributions (Kullback-Leibler divergence; EHPNet's equations 4 and 5) on
unlabelled faces. ``python -m export.onnx OUT.pth`` then exports it. In Python: :func:`train`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.cli import add_boxes_option, add_images_option, print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, check_output, need, optional_path, quiet, shell_path
from hpe_edge.boxes.box_fit import box_fit
from hpe_edge.errors import InputError
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

STUDENTS = ("student-dense", "student-mixed", "student-separable")
_LANDMARKS = "landmarks"  # boxes from chin to eyebrows
VIEWS = 2_000_000
_MOST_VIEWS = 10**9


@dataclass(frozen=True)
class DistillReport:
    """Result of a distillation.

    Attributes:
        path: the weights.
        size_bytes: of that file.
        run: folder of the log, the curves and the last checkpoint.
        kept_error_deg: mean distance of the student from the teachers on held-out faces.
        notes: everything reported, ``"stage: line"``.
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
    boxes_from: str = _LANDMARKS,
    labels: PathLike | None = None,
    student: str = STUDENTS[0],
    views: int = VIEWS,
    output: PathLike | None = None,
    report: Reporter = quiet,
) -> DistillReport:
    """Train a small network on the predictions of larger ones.

    Called again with the same arguments, it resumes a stopped run.

    Args:
        teachers: exported ONNX models or checkpoints of known families, the best first; another one counts less where
            it disagrees with the first.
        images: folder of pictures, picture or video with the faces to learn from.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        boxes_from: the detector whose boxes those are, see :func:`hpe_edge.boxes.box_fit.box_fit`; ``"landmarks"``
            reach from chin to eyebrows.
        labels: CSV of crops of known pose, from which a teacher with plain angles gets its uncertainty; None takes its
            distance from the other teachers.
        student: the network to train, one of :data:`STUDENTS`.
        views: number of augmented faces to learn from.
        output: the weights to write, with the folders OUT.run (the run) and distill_cache (the teachers' predictions)
            beside it; None is the student's name with .pth, in the current folder.
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
    box_fit(boxes_from)  # known before the training begins
    if boxes is None and boxes_from != _LANDMARKS:
        raise InputError("--boxes-from applies to --boxes, which is missing")
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
        written = train(**vars(_parse(argv, program)), report=print_report)
        log = f"log and curves are in {written.run}"
        print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}; {log}"])
        print_report("next", [f"hpe-edge export onnx {shell_path(written.path)}"])

    return run_in_shell(program, command, interrupted="the same command resumes from the last checkpoint")


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Train a small network on the predictions of larger ones for unlabelled faces.",
        "The same command resumes a stopped run. Exit status: 0 done, 1 a failure, "
        "2 wrong usage, 128 + n stopped by signal n.",
    )
    parser.add_argument(
        "--teacher",
        dest="teachers",
        type=Path,
        action="append",
        required=True,
        metavar="MODEL",
        help="teacher model: an exported ONNX model or a checkpoint of a known family; repeat it for several, the best "
        "first; another one counts less where it disagrees with the first",
    )
    add_images_option(
        parser, required=True, help="images with the faces to learn from: a folder of pictures, a picture or a video"
    )
    add_boxes_option(parser)
    parser.add_argument(
        "--boxes-from",
        default=_LANDMARKS,
        metavar="NAME",
        help="the detector whose boxes those are: yunet, scrfd, retinaface, mediapipe, ..., or a file of hpe-edge "
        "fit-boxes; landmarks reach from chin to eyebrows (default: %(default)s)",
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
        help="the weights to write (default: the student's name with .pth, in the current folder), with the folders "
        "OUT.run (the run) and distill_cache (the teachers' predictions) beside it",
    )
    return parser.parse_args(argv)  # type: ignore[no-any-return]


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= _MOST_VIEWS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_MOST_VIEWS}, got {text!r}")
    return number


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
