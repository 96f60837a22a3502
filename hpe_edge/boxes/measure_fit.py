"""Measurement of the fit of a detector's boxes, from pictures where the landmark boxes are known as well.

Faces are matched twice: generously by the boxes as drawn, which gives a first fit, then strictly by the converted
boxes. So a detector that draws whole heads is matched too. The fit is the median over the faces, per number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.box_fit import BoxFit, MeasuredFit
from hpe_edge.boxes.overlap import iou
from hpe_edge.errors import InputError

Boxes = NDArray[np.float32]

FEW_FACES = 30
_FIRST_IOU, _LAST_IOU = 0.15, 0.4
_FRACTION = 2.0  # fractions of a face that leaves the picture may exceed 1
# Quartiles of the known detectors lie within 0.15 of each other, relative to the median; of down, within 0.07.
_WIDE_SPREAD, _WIDE_SPREAD_DOWN = 0.25, 0.12
_ASIDE = 0.08  # of all known detectors the median is within 0.01, but 0.05 for dlib's network


@dataclass(frozen=True)
class Measurement:
    """Result of :func:`measure_fit`.

    Attributes:
        measured: the fit.
        references: number of reference boxes.
        boxes: number of the detector's boxes.
        warnings: reasons to doubt the fit.
    """

    measured: MeasuredFit
    references: int
    boxes: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Matches:
    """Faces that both have, N of them.

    Attributes:
        pictures: int64 ``[N]``, their pictures.
        boxes: float32 ``[N, 4]``, as the detector draws them.
        landmarks: float32 ``[N, 4]``, the reference.
    """

    pictures: NDArray[np.int64]
    boxes: Boxes
    landmarks: Boxes

    def __len__(self) -> int:
        return len(self.boxes)


def measure_fit(boxes: Sequence[Boxes], references: Sequence[Boxes], source: str = "") -> Measurement:
    """Measure the fit of a detector's boxes.

    Args:
        boxes: of the detector, as it draws them: ``[N, 4]`` for each picture, x1 y1 x2 y2 in pixels.
        references: landmark boxes ``[M, 4]`` of the same pictures.
        source: description of the detector and the reference, kept in the result.

    Raises:
        InputError: there are no boxes or no references, none match, or few match because the boxes are fractions or
            x, y, width, height.
    """
    for what, given in (("boxes", boxes), ("reference faces", references)):
        if not any(map(len, given)):
            raise InputError(f"there are no {what} in the {len(given)} pictures, so nothing can be measured")
    found = match_boxes(boxes, references)
    count, total = sum(map(len, boxes)), sum(map(len, references))
    if len(found) < min(count, total) / 2:
        cause = _likely_cause(boxes, references, len(found))
        if cause or not len(found):
            cause = cause or "are they of these pictures, at the same size and in pixels?"
            raise InputError(f"{len(found)} of {count} boxes lie on one of the {total} reference faces: {cause}")
    numbers = ratios(found.boxes, found.landmarks)
    width, height, down, right = (round(value, 4) for value in np.median(numbers, axis=0).tolist())
    low, high = np.percentile(numbers[:, :3], (25, 75), axis=0).round(4).tolist()
    quartiles = (low[0], high[0]), (low[1], high[1]), (low[2], high[2])
    measured = MeasuredFit(BoxFit(width, height, down), len(found), quartiles, source)
    return Measurement(measured, total, count, tuple(_doubts(measured, right, min(count, total))))


def match_boxes(boxes: Sequence[Boxes], references: Sequence[Boxes]) -> Matches:
    """Pair the detector's boxes and the landmark boxes; for the arguments see :func:`measure_fit`."""
    first = _pairs(boxes, references, None, _FIRST_IOU)
    if not len(first):
        return first
    return _pairs(boxes, references, median_fit(first.boxes, first.landmarks), _LAST_IOU)


def ratios(boxes: Boxes, landmarks: Boxes) -> NDArray[np.float64]:
    """Return width, height, down and right of landmark boxes in a detector's boxes: both ``[N, 4]`` to ``[N, 4]``."""
    box, face = boxes.astype(np.float64), landmarks.astype(np.float64)
    size = box[:, 2:] - box[:, :2]
    sizes = (face[:, 2:] - face[:, :2]) / size
    shifts = (face[:, :2] + face[:, 2:] - box[:, :2] - box[:, 2:]) / 2 / size
    return np.concatenate([sizes, shifts[:, ::-1]], axis=1)


def median_fit(boxes: Boxes, landmarks: Boxes) -> BoxFit:
    """Return the fit of pairs of boxes, ``[N, 4]`` each, N at least 1."""
    return BoxFit(*np.median(ratios(boxes, landmarks)[:, :3], axis=0).tolist())


def _pairs(boxes: Sequence[Boxes], references: Sequence[Boxes], fit: BoxFit | None, least_iou: float) -> Matches:
    """Pair boxes and references that overlap each other most, ``fit`` applied to the boxes first."""
    pictures, drawn, faces = [np.empty(0, np.int64)], [np.empty((0, 4), np.float32)], [np.empty((0, 4), np.float32)]
    for picture, (mine, known) in enumerate(zip(boxes, references, strict=True)):
        if not (len(mine) and len(known)):
            continue
        overlap = iou(mine if fit is None else fit(mine), known)
        best = overlap.argmax(axis=1)
        rows = np.arange(len(mine))
        mutual = (overlap[:, best].argmax(axis=0) == rows) & (overlap[rows, best] > least_iou)
        pictures.append(np.full(np.count_nonzero(mutual), picture))
        drawn.append(mine[mutual])
        faces.append(known[best[mutual]])
    return Matches(np.concatenate(pictures), np.concatenate(drawn), np.concatenate(faces))


def _likely_cause(boxes: Sequence[Boxes], references: Sequence[Boxes], matching: int) -> str:
    """Return the mistake that explains why so few boxes match; empty if none does."""
    if max(np.abs(each).max() for each in boxes if len(each)) <= _FRACTION:
        return "they look like fractions of the picture; multiply x by its width and y by its height"
    corners = [np.concatenate([each[:, :2], each[:, :2] + each[:, 2:]], axis=1) for each in boxes]
    sound = [each[(each[:, 2:] > each[:, :2]).all(axis=1)] for each in corners]
    if len(match_boxes(sound, references)) > 2 * matching:
        return "they look like x, y, width, height; x2 and y2 must be x + width and y + height"
    return ""


def _doubts(measured: MeasuredFit, right: float, possible: int) -> list[str]:
    fit, quartiles = measured.fit, measured.quartiles
    assert quartiles is not None
    found = []
    if measured.faces < FEW_FACES:
        found.append(f"only {measured.faces} faces; {FEW_FACES} or more give a fit to rely on")
    if measured.faces < possible / 2:
        found.append(f"only {measured.faces} of {possible} possible faces match; are the boxes of these pictures?")
    spreads = [high - low for low, high in quartiles]
    limits = (_WIDE_SPREAD * fit.width, _WIDE_SPREAD * fit.height, _WIDE_SPREAD_DOWN)
    wide = [name for name, s, limit in zip(("width", "height", "down"), spreads, limits, strict=True) if s > limit]
    if wide:
        found.append(f"{', '.join(wide)} differ much from face to face, so a fit helps little")
    if abs(right) > _ASIDE:
        side = "right" if right > 0 else "left"
        found.append(
            f"the faces lie {abs(right):.2f} box widths to the {side} of the boxes' middle, which no fit corrects; "
            "check the boxes"
        )
    return found
