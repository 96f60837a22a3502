"""Distil a small network from larger ones: ``python -m export.distill --teacher A --teacher B --images FOLDER``.

The student learns the consensus of the teachers on unlabelled faces. ``python -m export.onnx OUT.pth`` then exports it.
``python -m export.distill --int8 MODEL.onnx`` then trains the exported model for INT8. In Python: :func:`train`,
:func:`train_int8`. ``--labels CSV`` trains on labelled faces by the losses of published networks:
:func:`train_labelled`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.cli import print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, check_output, need, optional_path, quiet, shell_path
from export.teaching.material import LANDMARKS, TeacherLike, add_material_options, checked_material
from export.tuning.train_int8 import main as main_int8
from export.tuning.train_int8 import train_int8
from hpe_edge.errors import InputError
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

__all__ = ["STUDENTS", "VIEWS", "DistillReport", "main", "train", "train_int8", "train_labelled"]

STUDENTS = ("student-v2", "student-dense", "student-mixed", "student-separable")
VIEWS = 4_000_000
_MOST_VIEWS = 10**9
_INT8 = "--int8"
_LABELS = "--labels"
_INTERRUPTED = "the same command resumes from the last checkpoint"


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
    teachers: TeacherLike | Sequence[TeacherLike],
    *,
    images: PathLike | Sequence[PathLike],
    boxes: PathLike | None = None,
    boxes_from: str = LANDMARKS,
    detectors: Sequence[PathLike] = (),
    student: str = STUDENTS[0],
    views: int = VIEWS,
    output: PathLike | None = None,
    report: Reporter = quiet,
) -> DistillReport:
    """Train a small network on the consensus of larger ones.

    Each teacher looks at each upright face several times, also mirrored. The consensus is the weighted mean of their
    rotations, in which a teacher counts less where it is far from the others. With a checkpoint of 3DDFA among the
    teachers, faces are also turned out of the picture's plane by known rotations. Called again with the same arguments,
    it resumes a stopped run.

    Args:
        teachers: exported ONNX models or checkpoints of known families; with weights, a
            :class:`export.teaching.material.TeacherChoice`.
        images: folders of pictures, pictures or videos with the faces to learn from.
        boxes: CSV of the face boxes in a single entry of ``images``; None detects the faces.
        boxes_from: the detector whose boxes those are, see :func:`hpe_edge.boxes.box_fit.box_fit`; ``"landmarks"``
            reach from chin to eyebrows.
        detectors: names or files, see :func:`hpe_edge.open_detector`; empty: the default detector. Those with key
            points are better: they tell how a face is turned in the picture.
        student: the network to train, one of :data:`STUDENTS`.
        views: number of augmented faces to learn from.
        output: the weights to write, with the folders OUT.run (the run) and distill_cache (faces and the teachers'
            looks) beside it; None is the student's name with .pth, in the current folder.
        report: takes each stage's name and lines.

    Returns:
        The weights, and the student's distance from its teachers.

    Raises:
        HpeEdgeError: a teacher, the images, the boxes or the output cannot be used.
        KeyboardInterrupt: stopped; the last checkpoint stays.
    """
    need("torch", "distilling")
    from export.distillation.train_student import Settings, train_student

    material = checked_material(teachers, images, boxes, boxes_from, detectors)
    _check_student(student, views)
    out = optional_path(output) or Path(f"{student}.pth")
    check_output(out, (".pth",), material.inputs)
    notes = Notes(report)
    run, error_deg = train_student(Settings(material, student, views), out, notes)
    return DistillReport(out, out.stat().st_size, run, error_deg, notes.lines)


def train_labelled(
    labels: PathLike,
    *,
    student: str = STUDENTS[0],
    loss: str = "multi",
    alpha: float = 0.001,
    teachers: Sequence[PathLike] = (),
    views: int = VIEWS,
    output: PathLike | None = None,
    report: Reporter = quiet,
) -> DistillReport:
    """Train a network on labelled faces as published networks were trained; resumes a stopped run.

    Args:
        labels: CSV with the columns file, x1, y1, x2, y2, yaw, pitch, roll; the photos lie beside it, boxes reach from
            chin to eyebrows, and angles are those of the labels of 300W-LP in degrees.
        student: the network to train, one of :data:`STUDENTS`.
        loss: ``"multi"``: HopeNet's cross-entropy of bins and squared error; ``"wrapped"``: likewise, with WHENet's
            error round the circle for heads that span it; ``"ensemble"``: the divergence from the teachers' mean
            distribution.
        alpha: weight of a squared degree beside the cross-entropy; of ``"multi"`` and ``"wrapped"``.
        teachers: checkpoints with the student's input size and bins; of ``"ensemble"`` alone.
        views: number of augmented faces to learn from.
        output: the weights to write, with the folder OUT.run beside it; None is the student's name with .pth.
        report: takes each stage's name and lines.

    Returns:
        The weights, and the student's distance from the labels of held-out faces.

    Raises:
        HpeEdgeError: the labels, a photo, a teacher or the output cannot be used.
        KeyboardInterrupt: stopped; the last checkpoint stays.
    """
    need("torch", "training")
    from export.distillation.train_labelled import Labelled
    from export.distillation.train_labelled import train_labelled as run_labelled

    _check_student(student, views)
    table, out, paths = Path(labels), optional_path(output) or Path(f"{student}.pth"), tuple(map(Path, teachers))
    check_output(out, (".pth",), [("--labels", table), *(("--teacher", each) for each in paths)])
    notes = Notes(report)
    run, error_deg = run_labelled(Labelled(table, student, loss, alpha, paths, views), out, notes)
    return DistillReport(out, out.stat().st_size, run, error_deg, notes.lines)


def _check_student(student: str, views: int) -> None:
    if student not in STUDENTS:
        raise InputError(f"the student must be one of {', '.join(STUDENTS)}, got {student!r}")
    if not 1 <= views <= _MOST_VIEWS:
        raise InputError(f"the number of views must be from 1 to {_MOST_VIEWS}, got {views}")


def main(argv: list[str] | None = None, program: str = "python -m export.distill") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""
    given = sys.argv[1:] if argv is None else argv
    if any(each.partition("=")[0] == _INT8 for each in given):
        return main_int8(given, program)
    labelled = any(each.partition("=")[0] == _LABELS for each in given)

    def command() -> None:
        if labelled:
            written = train_labelled(**vars(_parse_labelled(given, program)), report=print_report)
        else:
            written = train(**vars(_parse(given, program)), report=print_report)
        log = f"log and curves are in {written.run}"
        print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}; {log}"])
        print_report("next", [f"hpe-edge export onnx {shell_path(written.path)}"])

    return run_in_shell(program, command, interrupted=_INTERRUPTED)


def _parse(argv: list[str], program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Train a small network on the predictions of larger ones for unlabelled faces.",
        "The same command resumes a stopped run. Exit status: 0 done, 1 a failure, "
        "2 wrong usage, 128 + n stopped by signal n.",
    )
    parser.add_argument(
        _INT8,
        action="store_true",
        default=argparse.SUPPRESS,
        help=f"{_INT8} MODEL.onnx: train an exported model for INT8; {_INT8} --help shows its options",
    )
    parser.add_argument(
        _LABELS,
        action="store_true",
        default=argparse.SUPPRESS,
        help=f"{_LABELS} CSV: train on labelled faces by the published losses of --loss and --alpha; {_LABELS} CSV "
        "--help shows its options",
    )
    add_material_options(parser)
    _add_student_options(
        parser,
        "the weights to write (default: the student's name with .pth, in the current folder), with the folders "
        "OUT.run (the run) and distill_cache (the teachers' predictions) beside it",
    )
    return parser.parse_args(argv)  # type: ignore[no-any-return]


def _parse_labelled(argv: list[str], program: str) -> argparse.Namespace:
    need("torch", "training")
    from export.distillation.train_labelled import add_labelled_options

    parser = step_parser(
        program,
        "Train a small network on labelled faces, by the losses of published networks.",
        "The same command resumes a stopped run. Exit status: 0 done, 1 a failure, "
        "2 wrong usage, 128 + n stopped by signal n.",
    )
    add_labelled_options(parser)
    _add_student_options(
        parser,
        "the weights to write (default: the student's name with .pth, in the current folder), with the folder OUT.run "
        "beside it",
    )
    return parser.parse_args(argv)  # type: ignore[no-any-return]


def _add_student_options(parser: argparse.ArgumentParser, output: str) -> None:
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
        help=output,
    )


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= _MOST_VIEWS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_MOST_VIEWS}, got {text!r}")
    return number


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
