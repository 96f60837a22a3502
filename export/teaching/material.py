"""Teachers and faces of a distillation, as its steps take them."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from export.cli import add_boxes_option
from export.step import PathLike, optional_path
from hpe_edge.boxes.box_fit import box_fit
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import DEFAULT_DETECTOR

LANDMARKS = "landmarks"  # boxes from chin to eyebrows
_POSES = ("near frontal", "half turned", "in profile")


@dataclass(frozen=True)
class TeacherChoice:
    """A teacher and its say.

    Attributes:
        path: exported ONNX model or checkpoint.
        weights: for faces near frontal, half turned and in profile (|yaw| of 15, 45 and 75 degrees).
        aligned: it has a convention of its own: the constant rotation of the head by which it differs from the others
            is measured and undone.
    """

    path: Path
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    aligned: bool = False


TeacherLike: TypeAlias = "PathLike | TeacherChoice"


@dataclass(frozen=True)
class Material:
    """Teachers and faces; see :func:`export.distill.train`."""

    teachers: tuple[TeacherChoice, ...]
    images: tuple[Path, ...]
    boxes: Path | None
    boxes_from: str
    detectors: tuple[str, ...]

    @property
    def inputs(self) -> list[tuple[str, Path | None]]:
        """The option and the path of each input."""
        images = [("--images", path) for path in self.images]
        return [*(("--teacher", choice.path) for choice in self.teachers), *images, ("--boxes", self.boxes)]


def checked_material(
    teachers: TeacherLike | Sequence[TeacherLike],
    images: PathLike | Sequence[PathLike],
    boxes: PathLike | None,
    boxes_from: str,
    detectors: Sequence[PathLike],
) -> Material:
    """Check the arguments of a step.

    Raises:
        InputError: none of something, a weight below 0, poses that no teacher has a weight for, boxes together with
            detectors, or an unknown fit.
    """
    several = [teachers] if isinstance(teachers, (str, Path, TeacherChoice)) else list(teachers)
    choices = [each if isinstance(each, TeacherChoice) else TeacherChoice(Path(each)) for each in several]
    folders = [Path(images)] if isinstance(images, (str, Path)) else [Path(path) for path in images]
    if not choices or not folders:
        raise InputError("name at least one teacher and one folder of images")
    if all(choice.aligned for choice in choices):
        raise InputError("at least one teacher must not be aligned: it fixes the convention")
    for choice in choices:
        if not all(0 <= each < math.inf for each in choice.weights):
            raise InputError(f"the weights of {choice.path} must be finite and not below 0, got {choice.weights}")
    for pose, weights in zip(_POSES, zip(*(choice.weights for choice in choices), strict=True), strict=True):
        if not any(weights):
            raise InputError(f"all teachers have the weight 0 for faces {pose}; give one of them a larger one")
    box_fit(boxes_from)  # known before the work begins
    if boxes is None and boxes_from != LANDMARKS:
        raise InputError("--boxes-from applies to --boxes, which is missing")
    if boxes is not None and (detectors or len(folders) > 1):
        raise InputError("--boxes gives the faces of one --images and replaces --detector: leave out the others")
    found_by = tuple(map(str, detectors)) or (DEFAULT_DETECTOR,)
    return Material(tuple(choices), tuple(folders), optional_path(boxes), boxes_from, found_by)


def add_material_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of teachers and faces."""
    parser.add_argument(
        "--teacher",
        dest="teachers",
        type=_teacher,
        action="append",
        required=True,
        metavar="MODEL[=W]",
        help="teacher model: an exported ONNX model or a checkpoint of a known family; repeat it for several. =W "
        "weighs it: one number, or three, near frontal, half turned and in profile, as in 3ddfa.pth=1.3,1.3,1",
    )
    parser.add_argument(
        "--aligned-teacher",
        dest="teachers",
        type=functools.partial(_teacher, aligned=True),
        action="append",
        metavar="MODEL[=W]",
        help="a teacher with a convention of its own: the constant rotation of the head by which it differs from the "
        "others is measured and undone",
    )
    parser.add_argument(
        "--images",
        type=Path,
        action="append",
        required=True,
        metavar="PATH",
        help="images with the faces: a folder of pictures, a picture or a video; repeat it for several",
    )
    add_boxes_option(parser)
    parser.add_argument(
        "--boxes-from",
        default=LANDMARKS,
        metavar="NAME",
        help="the detector whose boxes those are: yunet, scrfd, retinaface, mediapipe, ..., or a file of hpe-edge "
        "fit-boxes; landmarks reach from chin to eyebrows (default: %(default)s)",
    )
    parser.add_argument(
        "--detector",
        dest="detectors",
        action="append",
        default=[],
        metavar="NAME",
        help="face detector, a name or a file; of several, a face gets the mean of the boxes (default: "
        f"{DEFAULT_DETECTOR})",
    )


def _teacher(text: str, aligned: bool = False) -> TeacherChoice:
    path, _, numbers = text.rpartition("=")
    try:
        weights = [float(each) for each in numbers.split(",")]
    except ValueError:  # a name that may contain "="
        path, weights = text, [1.0]
    if len(weights) == 1:
        weights *= 3
    if len(weights) != 3 or not all(0 <= each < math.inf for each in weights) or not any(weights):
        raise argparse.ArgumentTypeError(f"must be MODEL, MODEL=W or MODEL=W1,W2,W3 with weights from 0, got {text!r}")
    return TeacherChoice(Path(path), (weights[0], weights[1], weights[2]), aligned)
