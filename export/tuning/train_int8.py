"""``export.distill --int8``: an exported model is trained for INT8, with itself as the teacher.

In Python: :func:`export.distill.train_int8`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import add_boxes_option, add_limit_options, keywords, print_quantized, print_report, step_parser
from export.step import ExportReport, Notes, PathLike, Reporter, check_output, need, quiet
from hpe_edge.errors import InputError
from hpe_edge.util.shell import run_in_shell

if TYPE_CHECKING:
    from onnx import ModelProto

    from export.gate.comparison import Limits
    from export.quantize.quantized_model import ToTrain

VIEWS = 40_000
_MOST_VIEWS = 10**8


def train_int8(
    model: PathLike,
    *,
    output: PathLike,
    images: PathLike,
    boxes: PathLike | None = None,
    detector: PathLike | None = None,
    views: int = VIEWS,
    worst: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Train an exported model for INT8, and verify its angles as :func:`export.int8.quantize` does.

    The graph runs in torch with the Q/DQ pairs of the INT8 file, and learns the float32 model's own outputs on faces
    that are disturbed in every way that the accuracy gate tries. Then as few layers as the gate needs stay in float32.

    Args:
        model: a float32 ONNX file of ``export.onnx``.
        output: the ONNX file to write; an existing one is replaced.
        images: picture, folder of pictures or video of faces like those of the application. A few hundred calibrate
            and verify, see :func:`export.int8.quantize`; the network learns from all but those that verify.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        detector: name or file, see :func:`hpe_edge.open_detector`; None takes the embedded one. Not with ``boxes``.
        views: number of disturbed crops to learn from.
        worst: PNG file to write, the faces that moved most; None writes ``OUT.worst.png`` beside the output.
        limits: see :func:`export.int8.quantize`.
        report: takes each stage's name and lines.

    Returns:
        The file, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: the model, the images or the output cannot be used; nothing was written.
    """
    need("torch", "training for INT8")
    from export.gate.comparison import Limits
    from export.quantize.to_int8 import CalibrationImages, picture_path, quantize_file
    from export.tuning.training_faces import TrainingFaces
    from export.tuning.tune import tune

    if not 1 <= views <= _MOST_VIEWS:
        raise InputError(f"the number of views must be from 1 to {_MOST_VIEWS}, got {views}")
    path, out = Path(model), Path(output)
    if path.suffix != ".onnx":
        raise InputError(f"--int8 takes an exported model, got {path}; make one with hpe-edge export onnx {path}")
    given = CalibrationImages.of(images, boxes, detector)
    inputs = [("the model", path), ("--images", given.images), ("--boxes", given.boxes)]
    check_output(out, (".onnx",), [*inputs, ("--detector", given.detector)])
    picture = picture_path(worst, out)
    notes = Notes(report)

    def training(task: ToTrain) -> tuple[ModelProto, dict[str, float]]:
        spec = task.original.spec
        faces = TrainingFaces(*given.parts, without=task.gate_names, crop=spec.crop, input=spec.input)
        shared = ", the accuracy gate's own, as there are no others" * faces.shared
        notes("training", [f"{len(faces)} faces{shared}; {views} views, {len(task.layers)} layers in INT8"])
        return tune(task, faces, views, notes)

    return quantize_file(
        path, out, given, worst_picture=picture, limits=limits or Limits(), notes=notes, training=training
    )


def main(argv: list[str], program: str) -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        print_quantized(train_int8(**keywords(_parse(argv, program)), report=print_report))

    return run_in_shell(program, command)


def _parse(argv: list[str], program: str) -> argparse.Namespace:
    parser = step_parser(
        program, "Train an exported model for INT8, with itself as the teacher, and verify it on real faces."
    )
    parser.add_argument(
        "--int8", dest="model", type=Path, metavar="MODEL.onnx", required=True, help="made by export onnx, in float32"
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="PATH",
        help="picture, folder of pictures, or video with faces like those of the application",
    )
    boxes = parser.add_mutually_exclusive_group()
    add_boxes_option(boxes)
    boxes.add_argument(
        "--detector",
        type=Path,
        metavar="NAME",
        help="face detector, a name or a file (default: the embedded one)",
    )
    parser.add_argument(
        "--views",
        type=int,
        default=VIEWS,
        metavar="N",
        help="number of disturbed crops to learn from (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.onnx",
        required=True,
        help="the file to write; an existing one is replaced",
    )
    parser.add_argument(
        "--worst",
        type=Path,
        metavar="FILE.png",
        help="picture to write of the faces that moved most, with both poses (default: OUT.worst.png)",
    )
    add_limit_options(parser)
    return parser.parse_args(argv)  # type: ignore[no-any-return]
