"""Errors and sigma of a model on labelled photos, with boxes as detectors draw them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.overlap import best_overlap
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import ModelError, SourceError
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.geometry import wrap_deg

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
            rows = list(csv.DictReader(file))
        numbers = np.array([[float(row[name]) for name in COLUMNS[1:]] for row in rows])
        files = [row["file"] for row in rows]
    except OSError as error:
        raise SourceError(f"cannot read the labels {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path} must have the columns {','.join(COLUMNS)} with numbers ({error})") from None
    if not rows:
        raise SourceError(f"{path} has no rows; it needs the columns {','.join(COLUMNS)}")
    bad = ~np.isfinite(numbers).all(axis=1)
    if bad.any():
        raise SourceError(f"{path}: row {int(np.argmax(bad)) + 1} holds {numbers[bad][0].tolist()}, not finite numbers")
    return Labels(path, files, numbers[:, :4].astype(np.float32), numbers[:, 4:])


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
