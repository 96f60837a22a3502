"""Overlap of boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def iou(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the intersection over union of every pair of boxes.

    Args:
        boxes, others: ``[N, 4]`` and ``[M, 4]``, x1 y1 x2 y2.

    Returns:
        ``[N, M]``, 0..1; 0 for boxes without an area.
    """
    one, other = boxes[:, None].astype(np.float64), others[None].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.maximum(sides, 0).prod(axis=-1)
    either = (one[..., 2:] - one[..., :2]).prod(axis=-1) + (other[..., 2:] - other[..., :2]).prod(axis=-1) - shared
    return np.asarray(np.divide(shared, either, out=np.zeros_like(shared), where=either > 0))


def best_overlap(boxes: NDArray[np.floating], box: NDArray[np.floating], least: float) -> int | None:
    """Find the box of ``[N, 4]`` that overlaps a box ``[4]`` most; None where none does by at least ``least``."""
    if not len(boxes):
        return None
    overlaps = iou(boxes, box[None])[:, 0]
    best = int(np.argmax(overlaps))
    return best if overlaps[best] >= least else None
