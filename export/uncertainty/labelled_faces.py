"""Errors and sigma of a model on labelled photos, with boxes as detectors draw them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.engine import PoseEngine
from hpe_edge.errors import ModelError, SourceError
from hpe_edge.faces.detector import Detector
from hpe_edge.faces.haar import HaarDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.geometry import wrap_deg

COLUMNS = ("file", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll")
LEAST_FACES = 30
HAAR = "haar"
_LEAST_IOU = 0.4  # of a detected box with the label's
# Of boxes of YuNet and SCRFD about the landmarks', after their fit: quartiles of the sizes are 4 to 5 % to each side of
# the median, those of the centre 2 %, which are standard deviations of 7 and 3 %.
_SIZE_SPREAD, _CENTER_SPREAD = 0.07, 0.03
_JITTERED = 2  # boxes beside the label's own

Float64Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Box = NDArray[np.float32]


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
        boxes: their source, in words.
    """

    errors: Float64Array
    sigma: Float64Array
    faces: NDArray[np.intp]
    boxes: str


def errors_on(engine: PoseEngine, labels: Labels, detectors: Sequence[str]) -> Errors:
    """Run a model on labelled photos.

    Args:
        engine: the model.
        labels: the faces.
        detectors: files of face detectors, or ``"haar"``; a face counts for each that finds it. None: the labels' boxes
            and, because boxes are never exact in use, two copies of each, moved and resized at random.

    Raises:
        SourceError: a photo cannot be read, or too few faces were found.
        ModelError: a model gives NaN, or a detector's file is none.
    """
    spec = engine.spec
    factors = np.ones(3) if spec.sigma is None else np.array(spec.sigma.factors)
    opened = [(name, HaarDetector() if name == HAAR else open_detector(Path(name))) for name in detectors]
    boxes_of = _detected([detector for _, detector in opened]) if opened else _jittered()
    errors, sigma, faces = [], [], []
    for i, (label, angles) in enumerate(zip(labels.boxes, labels.angles_deg, strict=True)):
        image = labels.image(i)
        for box in boxes_of(image, label):
            poses = engine(image, box[None])
            if not np.isfinite(poses.sigma).all():
                raise ModelError(f"the model gives NaN for {labels.files[i]}; its weights are damaged")
            errors.append(wrap_deg(poses.angles[0].astype(np.float64) - angles))
            sigma.append(poses.sigma[0].astype(np.float64) / factors)
            faces.append(i)
    if len(set(faces)) < LEAST_FACES:
        raise SourceError(
            f"{labels.path} has {len(set(faces))} faces that can be used; {LEAST_FACES} are needed, and 200 are better"
        )
    source = f"boxes of {', '.join(Path(name).stem for name, _ in opened)}" if opened else "its boxes, also jittered"
    return Errors(np.array(errors), np.array(sigma), np.array(faces, np.intp), source)


def _jittered() -> Callable[[Image, Box], Iterator[Box]]:
    rng = np.random.default_rng(0)

    def boxes_of(image: Image, box: Box) -> Iterator[Box]:
        yield box
        center, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        for _ in range(_JITTERED):
            moved = center + size * rng.normal(0, _CENTER_SPREAD, 2)
            half = size * np.exp(rng.normal(0, _SIZE_SPREAD, 2)) / 2
            yield np.concatenate([moved - half, moved + half]).astype(np.float32)

    return boxes_of


def _detected(detectors: Sequence[Detector]) -> Callable[[Image, Box], Iterator[Box]]:
    def boxes_of(image: Image, box: Box) -> Iterator[Box]:
        for detector in detectors:
            found = detector(image).boxes
            if len(found):
                overlaps = _iou(found, box)
                best = int(np.argmax(overlaps))
                if overlaps[best] >= _LEAST_IOU:
                    yield found[best]

    return boxes_of


def _iou(boxes: NDArray[np.float32], box: Box) -> Float64Array:
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / (areas - shared), np.float64)
