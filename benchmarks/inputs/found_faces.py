"""Which of a detector's boxes is the labelled face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.faces.detector import Detections

LEAST_IOU = 0.4
# A head's centre lies behind the face, so that in profile it is beside the middle of a box, and a little above it.
NEAR = 1.0  # how far from the box's middle it may be, as a fraction of the box's sides


def overlapping_box(detections: Detections, box: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The box ``[4]`` that overlaps the label's most, brought to the landmarks' extent; None where none does by enough.

    Args:
        detections: all of the photo.
        box: ``[4]``, tight round the label's landmarks.
    """
    if not len(detections):
        return None
    overlaps = iou(detections.boxes, box)
    best = int(np.argmax(overlaps))
    return detections.boxes[best] if overlaps[best] >= LEAST_IOU else None


def nearest_box(detections: Detections, center: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """The box ``[4]`` nearest to a head, brought to the landmarks' extent; None where none is near.

    Args:
        detections: all of the photo.
        center: ``[2]``, the head's in pixels.
    """
    if not len(detections):
        return None
    drawn = detections.drawn
    away = np.abs((drawn[:, :2] + drawn[:, 2:]) / 2 - center)
    best = int(np.argmin(np.linalg.norm(away, axis=1)))
    is_near = bool((away[best] <= NEAR * (drawn[best, 2:] - drawn[best, :2])).all())
    return detections.boxes[best] if is_near else None


def iou(boxes: NDArray[np.float32], box: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of boxes ``[N, 4]`` with one ``[4]``."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / (areas - shared), np.float64)
