"""Suite ``turned``: labelled photos turned in the plane, and darkened.

Labels turn exactly with their photo. Boxes are landmark boxes, whose outline is taken for an ellipse: the box of the
turned one. For a detector, its faces that overlap that box are judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.labels_csv import LAYOUT, LabelledPhotos, read_labelled_photos
from benchmarks.harness.suite import Suite, default_or, model_option, option, path_option
from benchmarks.harness.timing import Effort, Result
from hpe_edge.boxes.overlap import iou
from hpe_edge.engine import PoseEngine
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.geometry import difference_deg, euler_full_yaw, geodesic_deg, rotation_from_euler

STEP_DEG, DETECTOR_STEP_DEG = 15, 45
EXPOSURES = (1.0, 0.3, 0.1, 0.05)
LEAST_IOU = 0.3
_MOST_DEG = 99.0  # of a label's angles, as in the field's tables

Image = NDArray[np.uint8]
Pair = tuple[NDArray[np.float64], NDArray[np.float32]]  # rotations of label and estimate


@dataclass(frozen=True)
class Options:
    labels: Path = path_option(LAYOUT, metavar="CSV")
    model: Path | None = model_option()
    detectors: Sequence[str] = option("names or files, beside landmark boxes", (), nargs="*", metavar="NAME")


def run(options: Options, effort: Effort) -> Iterator[Result]:
    """Yield a result per source of boxes and roll, and per exposure."""
    photos = read_labelled_photos(options.labels, quick=effort.quick)
    rows: list[int] = np.flatnonzero(np.abs(photos.angles_deg).max(axis=1) <= _MOST_DEG).tolist()
    with PoseEngine(default_or(options.model), threads=1) as engine:
        rolls = range(0, 360, DETECTOR_STEP_DEG * 2 if effort.quick else STEP_DEG)
        for roll in rolls:
            yield _result("landmarks", roll, [_at_landmarks(engine, photos, row, roll) for row in rows], len(rows))
        for name in options.detectors:
            detector = open_detector(name)
            for roll in range(0, 360, DETECTOR_STEP_DEG):
                found = [_detected(engine, detector, photos, row, roll) for row in rows]
                yield _result(Path(name).stem, roll, [each for each in found if each is not None], len(rows))
        for exposure in EXPOSURES:
            yield _exposed(engine, photos, rows, exposure)


def turned(photo: Image, box: NDArray[np.float32], roll_deg: float) -> tuple[Image, NDArray[np.float32]]:
    """Turn a photo clockwise about the middle of a box, with room for all of it; return it and the turned face's box.

    Photos turned by 0 keep their pixels; others lie to half a pixel.
    """
    height, width = photo.shape[:2]
    side = int(np.ceil(2 * np.hypot(width, height)))
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    cosine, sine = np.cos(np.deg2rad(roll_deg)), np.sin(np.deg2rad(roll_deg))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    to = np.rint(side / 2 - middle) + middle
    picture = cv2.warpAffine(photo, np.column_stack([turn, to - turn @ middle]), (side, side))
    reach = np.hypot(half * abs(cosine), half[::-1] * abs(sine))
    return np.asarray(picture, np.uint8), np.concatenate([to - reach, to + reach]).astype(np.float32)


def _label(photos: LabelledPhotos, row: int, roll_deg: float) -> NDArray[np.float64]:
    turn = rotation_from_euler(np.array([0.0, 0.0, roll_deg]))
    return np.asarray(turn @ rotation_from_euler(photos.angles_deg[row]), np.float64)


def _at_landmarks(engine: PoseEngine, photos: LabelledPhotos, row: int, roll_deg: float) -> Pair:
    picture, box = turned(photos.photos[row], photos.boxes[row], roll_deg)
    return _label(photos, row, roll_deg), engine(picture, box[None], boxes_from="landmarks").rotation[0]


def _detected(engine: PoseEngine, detector: Detector, photos: LabelledPhotos, row: int, roll_deg: float) -> Pair | None:
    picture, box = turned(photos.photos[row], photos.boxes[row], roll_deg)
    found: Detections = detector(picture)
    overlap = iou(box[None], found.boxes)[0]
    if not len(overlap) or overlap.max() < LEAST_IOU:
        return None
    return _label(photos, row, roll_deg), engine(picture, found).rotation[int(overlap.argmax())]


def _result(boxes: str, roll_deg: int, pairs: Sequence[Pair], photos: int) -> Result:
    labels, found = (np.array(each) for each in zip(*pairs, strict=True)) if pairs else (np.empty((0, 3, 3)),) * 2
    angles = np.abs(difference_deg(euler_full_yaw(found), euler_full_yaw(labels)))
    rotation = geodesic_deg(found, labels)
    figures = {
        "found_percent": 100 * len(pairs) / photos,
        "mae_deg": float(angles.mean()) if pairs else None,
        "rotation_deg": float(rotation.mean()) if pairs else None,
        "rotation_median_deg": float(np.median(rotation)) if pairs else None,
        "beyond_30_percent": float(100 * (rotation > 30).mean()) if pairs else None,
    }
    return Result("turned", {"boxes": boxes, "roll": roll_deg, "photos": photos}, figures=figures)


def _exposed(engine: PoseEngine, photos: LabelledPhotos, rows: Sequence[int], exposure: float) -> Result:
    errors, stretched = [], 0
    for row in rows:
        photo = np.rint(photos.photos[row] * exposure).astype(np.uint8)
        poses = engine(photo, photos.boxes[row][None], boxes_from="landmarks")
        errors.append(np.abs(difference_deg(poses.angles[0], photos.angles_deg[row])).mean())
        stretched += int(poses.stretched[0])
    figures = {"mae_deg": float(np.mean(errors)), "stretched_percent": 100 * stretched / len(rows)}
    return Result("exposed", {"exposure": f"{exposure:g}", "photos": len(rows)}, figures=figures)


SUITE = Suite("turned", "labelled photos turned by 0 to 345 degrees, and darkened", run, Options)
