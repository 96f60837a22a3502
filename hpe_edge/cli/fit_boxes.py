"""Command fit-boxes: measure the fit of one's own detector's boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.boxes.measure_fit import Measurement, measure_fit
from hpe_edge.errors import SourceError
from hpe_edge.faces.detector import DEFAULT_DETECTOR
from hpe_edge.faces.open_detector import NAMES, open_detector
from hpe_edge.sources.frame import Frame, Source
from hpe_edge.sources.open_source import open_source
from hpe_edge.util.atomic import Pending, output_error
from hpe_edge.util.console import counted, print_message, show
from hpe_edge.util.shell import CommandParser
from hpe_edge.version import __version__

_DESCRIPTION = """\
Measure how a detector draws its boxes: where the landmark box of a face, from chin to eyebrows, lies in them. The
result is a file for --boxes-from and boxes_from=. Any photos with faces will do, 30 faces or more; the reference is a
detector whose boxes are known, or labelled landmark boxes.
"""


@dataclass(frozen=True)
class FitBoxesOptions:
    """Arguments of ``hpe-edge fit-boxes``.

    Attributes:
        boxes: CSV of the detector's boxes, see :class:`hpe_edge.boxes.boxes_csv.BoxesFile`.
        photos: pictures or video.
        output: JSON to write; None to print only.
        detector: the reference, see :func:`hpe_edge.open_detector`.
        landmarks: CSV of landmark boxes as the reference instead.
    """

    boxes: Path
    photos: Path
    output: Path | None
    detector: str | None
    landmarks: Path | None


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge fit-boxes``; returns the exit status."""
    parser = CommandParser(prog="hpe-edge fit-boxes", description=_DESCRIPTION)
    parser.add_argument(
        "boxes", type=Path, metavar="BOXES.csv", help="the detector's boxes: columns file,x1,y1,x2,y2, in pixels"
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="the pictures: a folder, a picture, or a video")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FIT.json", help="the fit, for --boxes-from; an existing file is replaced"
    )
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument(
        "--detector", metavar="NAME", help=f"reference: {', '.join(NAMES)} or FILE.onnx; default: {DEFAULT_DETECTOR}"
    )
    reference.add_argument(
        "--landmarks",
        type=Path,
        metavar="CSV",
        help="reference: labelled boxes from chin to eyebrows, columns file,x1,y1,x2,y2",
    )
    fit_boxes(FitBoxesOptions(**vars(parser.parse_args(argv))))
    return 0


def fit_boxes(options: FitBoxesOptions) -> Measurement:
    """Measure the fit, print it and write the file.

    Raises:
        SourceError: boxes, pictures or labels that cannot be read, or boxes of other pictures.
        InputError: no box lies on a reference face.
        OutputError: the file cannot be written.
        HpeEdgeError: the detector cannot be opened, see :func:`hpe_edge.open_detector`.
    """
    pending = None if options.output is None else Pending(options.output)  # checks that it can be written
    try:
        found = _measure(options)
        show(_text(found, options.boxes))
        if pending is not None:
            try:
                pending.temp.write_text(found.measured.to_json(), encoding="utf-8")
            except OSError as error:
                raise output_error(pending.path, error) from None
            pending.commit()
        show(_use(found, options))
    finally:
        if pending is not None:
            pending.discard()
    for warning in found.warnings:
        print_message(f"hpe-edge fit-boxes: warning: {warning}")
    return found


def _measure(options: FitBoxesOptions) -> Measurement:
    source = open_source(options.photos)
    file = BoxesFile.for_source(options.boxes, source)
    reference, name = _reference(options, source)
    boxes, references = [], []
    for frame in source:
        drawn = file(frame)
        if len(drawn):
            boxes.append(drawn)
            references.append(reference(frame))
    if not boxes:
        raise SourceError(
            f"no box of {options.boxes} belongs to {options.photos}, such as {frame.name}; the column file (of a video "
            "frame) must name its pictures"
        )
    if file.unused:
        print_message(
            f"hpe-edge fit-boxes: {counted(file.unused, 'box', 'boxes')} of {options.boxes} belong to none of the "
            "pictures"
        )
    about = f"{options.boxes.name} against {name} on {options.photos.name}, hpe_edge {__version__}"
    return measure_fit(boxes, references, about)


def _reference(options: FitBoxesOptions, source: Source) -> tuple[Callable[[Frame], NDArray[np.float32]], str]:
    """Return the landmark boxes of a frame, and the reference's name."""
    if options.landmarks is not None:
        return BoxesFile.for_source(options.landmarks, source), options.landmarks.name
    name = options.detector or DEFAULT_DETECTOR
    detector = open_detector(name)
    return lambda frame: detector(frame.image).boxes, Path(name).name


def _text(found: Measurement, boxes: Path) -> str:
    measured = found.measured
    assert measured.quartiles is not None
    numbers = (measured.fit.width, measured.fit.height, measured.fit.down)
    lines = [
        f"faces      {measured.faces}, of {counted(found.boxes, 'box', 'boxes')} in {boxes} and "
        f"{counted(found.references, 'reference face', 'reference faces')}"
    ]
    for name, value, (low, high) in zip(("width", "height", "down"), numbers, measured.quartiles, strict=True):
        lines.append(f"{name:<10} {value:.3f}, quartiles {low:.3f} to {high:.3f}")
    return "\n".join(lines)


def _use(found: Measurement, options: FitBoxesOptions) -> str:
    if options.output is None:
        fit = found.measured.fit
        return (
            f"use        boxes_from=hpe_edge.BoxFit(width={fit.width:g}, height={fit.height:g}, down={fit.down:g}), "
            "or write a file with -o FIT.json"
        )
    name = options.output
    return f'use        --boxes-from {name}, or boxes_from="{name}"'
