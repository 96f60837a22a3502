"""Errors and sigma of a model on labelled photos, with boxes as detectors draw them."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.overlap import best_overlap
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import ModelError, SourceError
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.geometry import wrap_deg
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.frames import MAX_COORDINATE

COLUMNS = ("file", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll")
LEAST_FACES = 30
_LEAST_IOU = 0.4  # of a detected box with the label's
# Of boxes of YuNet and SCRFD about the landmarks', after their fit: quartiles of the sizes are 4 to 5 % to each side of
# the median, those of the centre 2 %, which are standard deviations of 7 and 3 %.
_SIZE_SPREAD, _CENTER_SPREAD = 0.07, 0.03
_JITTERED = 2  # boxes beside the label's own

Float64Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Box = NDArray[np.float32]
Boxes = Sequence[Sequence[Box]]  # for each row of the labels


@dataclass(frozen=True)
class Labels:
    """A table of labelled faces: N files, boxes float32 ``[N, 4]`` in pixels, angles ``[N, 3]`` in degrees."""

    path: Path
    files: list[str]
    boxes: NDArray[np.float32]
    angles_deg: Float64Array

    def image(self, i: int) -> Image:
        """The photo of a face, BGR; raises SourceError where it cannot be read."""
        path = self.path.parent / self.files[i]
        image = cv2.imread(str(path)) if path.is_file() else None
        if image is None:
            raise SourceError(f"cannot read {path}, which the labels name")
        return np.asarray(image, np.uint8)


def read_labels(path: Path) -> Labels:
    """Read a table with the columns file, x1, y1, x2, y2, yaw, pitch, roll; the photos lie beside it.

    Raises:
        SourceError: the file is missing, lacks a column or a row, or holds something else than numbers.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or ()
            rows = list(reader)
    except OSError as error:
        raise SourceError(f"cannot read the labels {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"the labels {path} are not CSV in UTF-8: {error}") from None
    missing = [name for name in COLUMNS if name not in header]
    if missing or not rows:
        raise SourceError(
            f"{path} must have rows and the columns {','.join(COLUMNS)}; missing: {','.join(missing) or 'rows'}"
        )
    numbers = np.array([_numbers(path, line, row) for line, row in enumerate(rows, start=1)])
    return Labels(path, [row["file"] for row in rows], numbers[:, :4].astype(np.float32), numbers[:, 4:])


def _numbers(path: Path, line: int, row: dict[str, str | None]) -> list[float]:
    """Return box and angles of a row.

    Raises:
        SourceError: it names no file, or they are no finite numbers of a box with an area.
    """
    if not (row["file"] or "").strip() or "\0" in (row["file"] or ""):
        raise SourceError(f"{path}: row {line} names no file")
    try:
        numbers = [float(row[name] or "") for name in COLUMNS[1:]]
    except ValueError as error:
        raise SourceError(f"{path}: boxes and angles must be numbers; row {line}: {error}") from None
    if not all(map(math.isfinite, numbers)):
        raise SourceError(f"{path}: row {line} holds {numbers}, not finite numbers")
    if max(map(abs, numbers[:4])) > MAX_COORDINATE or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        raise SourceError(
            f"{path}: row {line} has the box {numbers[:4]}; x1 < x2 and y1 < y2 must hold, within "
            f"{MAX_COORDINATE:.0f} pixels"
        )
    return numbers


@dataclass(frozen=True)
class Errors:
    """Errors of a model.

    Attributes:
        errors, sigma: ``[N, 3]`` in degrees, a row per box; sigma as the bins give it, not calibrated.
        faces: ``[N]``, the row of the label; several boxes may be of one face.
    """

    errors: Float64Array
    sigma: Float64Array
    faces: NDArray[np.intp]


def errors_on(engine: PoseEngine, labels: Labels, boxes: Boxes) -> Errors:
    """Run a model on labelled photos.

    Args:
        engine: the model.
        labels: the faces.
        boxes: the boxes to run on, for each row of the labels; a row without boxes is left out.

    Raises:
        SourceError: a photo cannot be read, or too few rows have a box.
        ModelError: the model gives NaN.
    """
    usable = sum(1 for each in boxes if len(each))
    if usable < LEAST_FACES:
        raise SourceError(
            f"{labels.path} has {usable} faces that can be used; {LEAST_FACES} are needed, 200 are better"
        )
    calibration = engine.spec.sigma
    factors = np.ones(3) if calibration is None else np.array(calibration.factors)
    errors, sigma, faces = [], [], []
    for i, (own, angles) in enumerate(zip(boxes, labels.angles_deg, strict=True)):
        if not len(own):
            continue
        poses = engine(labels.image(i), Detections.from_boxes(np.stack(own)))
        if not np.isfinite(poses.angles).all():
            raise ModelError(f"the model gives NaN for {labels.files[i]}; its weights are damaged")
        errors.append(wrap_deg(poses.angles.astype(np.float64) - angles))
        sigma.append(poses.sigma.astype(np.float64) / factors)
        faces += [i] * len(own)
    return Errors(np.concatenate(errors), np.concatenate(sigma), np.array(faces, np.intp))


def jittered_boxes(labels: Labels) -> Boxes:
    """The labels' boxes, and two copies of each, moved and resized at random: in use, boxes are never exact."""
    rng = np.random.default_rng(0)
    boxes = []
    for box in labels.boxes:
        center, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        own = [box]
        for _ in range(_JITTERED):
            moved = center + size * rng.normal(0, _CENTER_SPREAD, 2)
            half = size * np.exp(rng.normal(0, _SIZE_SPREAD, 2)) / 2
            own.append(np.concatenate([moved - half, moved + half]).astype(np.float32))
        boxes.append(own)
    return boxes


def detected_boxes(labels: Labels, detectors: Sequence[Detector]) -> Boxes:
    """The boxes of face detectors that overlap the labels'.

    Args:
        labels: the faces.
        detectors: that find them.

    Raises:
        SourceError: a photo cannot be read.
    """
    boxes = []
    for i, box in enumerate(labels.boxes):
        image = labels.image(i)
        found = [detector(image).boxes for detector in detectors]
        best = [best_overlap(each, box, _LEAST_IOU) for each in found]
        boxes.append([each[i] for each, i in zip(found, best, strict=True) if i is not None])
    return boxes
