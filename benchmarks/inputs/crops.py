"""Windows around a box, by the model's own crop or a common rule, and boxes of detectors."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.haar import HaarDetector
from hpe_edge.boxes.overlap import best_overlap
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.faces.open_detector import NAMES, open_detector
from hpe_edge.spec import Crop

OWN = "own"
SYNTAX = (
    f"{OWN}: the model's own (default); a number such as 1.3: a square of so many times the box's longer side; "
    "whole-1.3: the same in whole pixels, cut off at the photo's edges and stretched; hopenet: HopeNet's margins for "
    "AFLW2000, in whole pixels"
)
AS_CUT = Crop(margins=(0.0, 0.0, 0.0, 0.0), square="none")  # for windows that are ready

HAAR = "haar"
LANDMARKS = "landmarks"
DETECTORS = f"{', '.join(NAMES)}, {HAAR} (OpenCV's cascade) or FILE.onnx"
LEAST_IOU = 0.4
# A head's centre lies behind the face: in profile beside the middle of a box, and a little above it.
NEAR = 1.0  # largest distance from the box's middle, as a fraction of the box's sides

Box = NDArray[np.float32]  # x1 y1 x2 y2 in pixels
Window = Callable[[Box, tuple[int, int]], Box]  # from a box and the photo's width and height to a window


@dataclass(frozen=True)
class CropRule:
    """A crop and its name in results; ``window`` is None for the model's own."""

    name: str
    window: Window | None


def crop_rule(text: str) -> CropRule:
    """Convert an argument, see SYNTAX."""
    if text == OWN:
        return CropRule("the model's own", None)
    if text == "hopenet":
        return CropRule("HopeNet's margins", hopenet)
    try:
        side = float(text.removeprefix("whole-"))
    except ValueError:
        side = math.nan
    if not 0 < side <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is no crop; {SYNTAX}")
    name = f"square of {side:g} times the box"
    if text.startswith("whole-"):
        return CropRule(f"{name}, whole pixels", lambda box, size_wh: whole_square(box, size_wh, side))
    return CropRule(name, lambda box, size_wh: square(box, side))


def square(box: Box, side: float) -> Box:
    """Return the square about the box's middle; it may leave the photo."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() * np.float32(side) / 2
    return np.concatenate([middle - half, middle + half])


def whole_square(box: Box, size_wh: tuple[int, int], side: float) -> Box:
    """Return the square as scripts cut it, by indexing an array with integers.

    A corner left of or above the photo moves to its edge, and the window keeps its side; the other edges clip it.
    """
    x1, y1, x2, y2 = box.tolist()
    length = max(x2 - x1, y2 - y1) * side
    left, top = (int(max((low + high - length) / 2, 0.0)) for low, high in ((x1, x2), (y1, y2)))
    right, bottom = (min(start + int(length), end) for start, end in zip((left, top), size_wh, strict=True))
    return np.array([left, top, right, bottom], np.float32)


def hopenet(box: Box, size_wh: tuple[int, int]) -> Box:
    """Return HopeNet's margins for AFLW2000, on whole pixels and inside the photo; stretched to the input.

    Its test code moves one side after the other, each by a share of the grown box: 0.4 left, 0.4 top, 0.4 of
    1.4 right, 0.12 of 1.4 bottom.
    """
    x1, y1, x2, y2 = box.astype(np.float64).tolist()
    x1 -= 0.4 * (x2 - x1)
    y1 -= 0.4 * (y2 - y1)
    x2 += 0.4 * (x2 - x1)
    y2 += 0.12 * (y2 - y1)
    # The last column and row are part of the window.
    low = [min(max(int(v), 0), end - 1) for v, end in zip((x1, y1), size_wh, strict=True)]
    high = [min(max(int(v), 0), end - 1) + 1 for v, end in zip((x2, y2), size_wh, strict=True)]
    return np.array([*low, *high], np.float32)


def detector_named(name: str) -> Detector:
    """Open OpenCV's cascade, or a detector by name or file on one thread."""
    return HaarDetector() if name == HAAR else open_detector(name, threads=1)


def overlapping_box(detections: Detections, box: Box) -> Box | None:
    """Return the detected box, chin to eyebrows, that overlaps the label's most; None where none does by enough."""
    best = best_overlap(detections.boxes, box, LEAST_IOU)
    return None if best is None else detections.boxes[best]


def nearest_box(detections: Detections, center: NDArray[np.float64]) -> Box | None:
    """Return the detected box, chin to eyebrows, nearest to a head's centre ``[2]``; None where none is near."""
    if not len(detections):
        return None
    drawn = detections.drawn
    away = np.abs((drawn[:, :2] + drawn[:, 2:]) / 2 - center)
    best = int(np.argmin(np.linalg.norm(away, axis=1)))
    is_near = bool((away[best] <= NEAR * (drawn[best, 2:] - drawn[best, :2])).all())
    return detections.boxes[best] if is_near else None
