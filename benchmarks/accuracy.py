"""The suite ``accuracy``: a model's mean absolute error on labelled photos, for its own crop and for other squares.

The sweep over squares is how a margin is chosen: it depends on the model and on how tightly the boxes fit, so it is
worth running on the boxes of one's own detector.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.models import add_model_option, default_or
from benchmarks.suite import Suite, no_budget
from benchmarks.timing import Effort, Result
from hpe_edge import PoseEngine, SourceError
from hpe_edge.spec import Crop

COLUMNS = ("file", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll")
SQUARES = (1.0, 1.1, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6)  # side over the box's longer side
BANDS = ((0.0, 30.0), (30.0, 60.0), (60.0, 180.0))  # of the labels' |yaw| in degrees
QUICK_PHOTOS = 8


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        required=True,
        help=f"columns {','.join(COLUMNS)}: boxes in pixels, angles in degrees; the photos lie beside the file",
    )


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    names, boxes, labels = read_labels(args.labels)
    if args.quick:
        names, boxes, labels = names[:QUICK_PHOTOS], boxes[:QUICK_PHOTOS], labels[:QUICK_PHOTOS]
    photos = [read_photo(args.labels.parent / name) for name in names]
    model = default_or(args.model)
    with PoseEngine(model) as engine:
        spec = engine.spec
    crops = {"the model's own": spec.crop}
    for side in SQUARES:
        margin = (side - 1.0) / 2.0
        # On a box that is not square, a margin of both sides gives the same square as scaling the longer side.
        crops[f"square of {side:g} times the box"] = Crop((margin,) * 4, resampling=spec.crop.resampling)
    for what, crop in crops.items():
        with PoseEngine(model, crop=crop) as engine:
            angles = np.array([engine(p, [b]).angles[0] for p, b in zip(photos, boxes, strict=True)])
        errors = np.abs((angles - labels + 180.0) % 360.0 - 180.0)
        parameters: dict[str, str | int] = {"model": spec.architecture, "photos": len(photos), "crop": what}
        yield Result("accuracy", parameters, figures=_figures(errors, np.abs(labels[:, 0])))


def _figures(errors: NDArray[np.float64], yaw_deg: NDArray[np.float64]) -> dict[str, float | None]:
    """Mean absolute errors in degrees: per angle, their mean, and the mean by band of |yaw|."""
    figures: dict[str, float | None] = {
        f"{angle}_mae_deg": round(float(errors[:, i].mean()), 4) for i, angle in enumerate(("yaw", "pitch", "roll"))
    }
    figures["mean_mae_deg"] = round(float(errors.mean()), 4)
    for low, high in BANDS:
        inside = (yaw_deg >= low) & (yaw_deg < high)
        figures[f"mean_mae_deg_yaw_{low:g}_to_{high:g}"] = (
            round(float(errors[inside].mean()), 4) if inside.any() else None
        )
    return figures


def read_labels(path: Path) -> tuple[list[str], NDArray[np.float32], NDArray[np.float64]]:
    """File names, boxes ``[N, 4]`` in pixels, and yaw, pitch, roll ``[N, 3]`` in degrees.

    Raises:
        SourceError: no such file, or one without these columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read the labels {path}: {error}") from None
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise SourceError(f"{path} must have rows and the columns {','.join(COLUMNS)}; missing: {','.join(missing)}")
    try:
        numbers = np.array([[float(row[name]) for name in COLUMNS[1:]] for row in rows])
    except (TypeError, ValueError) as error:
        raise SourceError(f"{path}: boxes and angles must be numbers ({error})") from None
    return [row["file"] for row in rows], numbers[:, :4].astype(np.float32), numbers[:, 4:]


def read_photo(path: Path) -> NDArray[np.uint8]:
    """A photo as OpenCV reads it.

    Raises:
        SourceError: there is none, or it cannot be read.
    """
    photo = cv2.imread(str(path)) if path.is_file() else None
    if photo is None:
        raise SourceError(f"cannot read the photo {path}, which the labels name")
    return np.asarray(photo, np.uint8)


SUITE = Suite("accuracy", "mean absolute error on labelled photos, by crop", _add_arguments, _run, no_budget)
