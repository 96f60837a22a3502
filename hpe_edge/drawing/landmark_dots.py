"""Dots at a face's landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.strokes import BLACK, FAR, WHITE, Color, Image, draw_dot, fixed

_VISIBLE = 0.5  # and above, or unknown
_DIAMETER = 1 / 60  # of the box's longer side


def draw_landmarks(
    frame: Image,
    landmarks: NDArray[np.floating],
    visibility: NDArray[np.floating],
    side: float,
    color: Color | None,
) -> None:
    """Draw one face's landmarks; hidden ones are black.

    Args:
        frame: drawn on in place.
        landmarks: ``[L, 2]`` in pixels; those with NaN are skipped.
        visibility: ``[L]``; NaN for unknown.
        side: longer side of the face's box in pixels.
        color: of the face's identity; None for white.
    """
    seen = (np.abs(landmarks) < FAR).all(axis=1)  # False for NaN
    centers = fixed(landmarks[seen].astype(np.float64)[:, None])[:, 0]
    diameter = max(2.0, side * _DIAMETER)
    for center, shown in zip(centers, ~(visibility[seen] < _VISIBLE), strict=True):
        draw_dot(frame, center, diameter, (color or WHITE) if shown else BLACK)
