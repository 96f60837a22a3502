"""Outline of a face's 68 landmarks, which turns with the face: its bounding box is the box to learn.

The landmark box of an upright face bounds the jaw from ear to ear and the eyebrows. Turned in the plane, the same
landmarks have another bounding box. Twelve points on the outline say which.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

# Fractions of the upright box, from the right eyebrow (left in the image) along the jaw to the left eyebrow.
_HALF = np.array([(0.30, 0.0), (0.10, 0.06), (0.0, 0.22), (0.03, 0.48), (0.12, 0.72), (0.32, 0.93)])
_OUTLINE = np.concatenate([_HALF, [(0.5, 1.0)], (_HALF * (-1, 1) + (1, 0))[::-1]])
POINTS = len(_OUTLINE)


def outline(boxes: Float64Array, roll_deg: Float64Array) -> Float64Array:
    """Outlines of faces whose landmark boxes are known as drawn, without regard to their roll.

    Args:
        boxes: ``[N, 4]``, x1 y1 x2 y2, the landmark boxes of the faces turned upright about the boxes' centres.
        roll_deg: ``[N]``, clockwise in the image.

    Returns:
        ``[N, POINTS, 2]``.
    """
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    points = (_OUTLINE - 0.5) * size[:, None]
    turn = np.deg2rad(roll_deg)
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)
    return np.asarray(points @ turned.transpose(0, 2, 1) + middle[:, None])


def bounds(points: Float64Array) -> Float64Array:
    """Bounding boxes ``[N, 4]`` of points ``[N, P, 2]``."""
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def moved(points: Float64Array, matrix: Float64Array) -> Float64Array:
    """Points ``[..., 2]`` under an affine map ``[2, 3]``."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])
