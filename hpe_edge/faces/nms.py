"""Non-maximum suppression: of boxes that overlap, the one with the best score stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nms(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> NDArray[np.intp]:
    """Greedy suppression, best score first; of equal scores the earlier box counts as the better.

    Args:
        boxes: ``[N, 4]``, x1 y1 x2 y2 with x1 < x2 and y1 < y2.
        scores: ``[N]``.
        iou: a box goes if its intersection over union with one that stays is larger.

    Returns:
        Indices of the boxes that stay, best score first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    corners, ends = boxes[:, :2], boxes[:, 2:]
    areas = (ends - corners).prod(axis=1)
    kept = []
    left = np.arange(len(order))
    # One turn per box that stays, over those not yet decided: faces are few, while candidates are many per face.
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        sides = np.minimum(ends[left], ends[best]) - np.maximum(corners[left], corners[best])
        shared = np.maximum(sides, 0).prod(axis=1)
        left = left[shared <= iou * (areas[left] + areas[best] - shared)]
    return order[np.array(kept, np.intp)]
