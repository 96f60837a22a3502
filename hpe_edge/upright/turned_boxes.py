"""Boxes in the axes of turned crops."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sides_in_turned_axes(boxes: NDArray[Any], turns_deg: NDArray[np.float32]) -> NDArray[Any]:
    """Return boxes whose width and height are those along the turned axes, about the same centres.

    A drawn box lies along the frame's axes. Turned by more than 45 degrees, a face's width is the box's height.

    Args:
        boxes: ``[N, 4]``.
        turns_deg: ``[N]``.
    """
    quarter = np.abs(np.abs(turns_deg) - 90) < 45
    if not quarter.any():
        return boxes
    x1, y1, x2, y2 = boxes.T.astype(np.float64)
    x, y, half_width, half_height = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
    swapped = np.stack([x - half_height, y - half_width, x + half_height, y + half_width], axis=1)
    return np.where(quarter[:, None], swapped, boxes).astype(boxes.dtype)
