"""Lines, dots and tints with smooth edges.

Points are in cv2's fixed-point coordinates. :func:`fixed` converts them from pixels, all at once, because a conversion
takes as long as drawing a line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpe_edge.opencv.lazy import cv2

Color = tuple[int, int, int]
Image = NDArray[np.uint8]
Int32Array = NDArray[np.int32]

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
# Okabe and Ito, Color Universal Design, without black and yellow; BGR.
OKABE_ITO: tuple[Color, ...] = (
    (178, 114, 0),
    (0, 94, 213),
    (115, 158, 0),
    (167, 121, 204),
    (0, 159, 230),
    (233, 180, 86),
)

FAR = 1e5  # pixels; lines further out are not drawn, and cv2's coordinates would overflow at 1e8
_NOWHERE = -(2**21)  # further out than FAR, in 1/16 pixel
_BITS = 4  # cv2 takes coordinates in 1/16 pixel
ONE_PIXEL = 1 << _BITS
_TINT = 0.25  # weight of the colour


def fixed(lines: NDArray[np.float64]) -> Int32Array:
    """Convert lines ``[..., points, 2]`` to cv2's fixed-point coordinates, relative to the centre of the first pixel.

    A line with a point beyond FAR or a NaN is moved out of sight.
    """
    seen = (np.abs(lines) < FAR).all(axis=(-2, -1), keepdims=True)
    return np.where(seen, np.rint((lines - 0.5) * ONE_PIXEL), _NOWHERE).astype(np.int32)


def draw_lines(
    frame: Image, lines: Int32Array, colors: Sequence[Color], thickness: int, *, smooth: bool = True
) -> None:
    """Draw lines ``[K, points, 2]``, divided evenly among the colours in order.

    A dark rim keeps the lines visible on any background, except where they cross each other. Vertical and horizontal
    ones are crisper without smoothing.
    """
    kind = cv2.LINE_AA if smooth else cv2.LINE_8
    each = list(lines)
    cv2.polylines(frame, each, False, BLACK, thickness + 2, kind, _BITS)
    share = len(each) // len(colors)
    for k, color in enumerate(colors):
        cv2.polylines(frame, each[k * share : (k + 1) * share], False, color, thickness, kind, _BITS)


def draw_polygon(frame: Image, corners: Int32Array, color: Color) -> None:
    """Fill a convex polygon ``[K, 2]`` with a rim."""
    cv2.polylines(frame, [corners], True, BLACK, 3, cv2.LINE_AA, _BITS)
    cv2.fillConvexPoly(frame, corners, color, cv2.LINE_AA, _BITS)


def draw_dot(frame: Image, center: Int32Array, diameter: float, color: Color) -> None:
    """Draw a disc about ``[2]``; ``diameter`` is in pixels."""
    for paint, wide in ((BLACK, diameter + 2), (color, diameter)):
        cv2.circle(frame, center.tolist(), round(wide / 2 * ONE_PIXEL), paint, cv2.FILLED, cv2.LINE_AA, _BITS)


def tint_polygon(frame: Image, corners: Int32Array, color: Color) -> None:
    """Blend the colour over a convex polygon ``[K, 2]``."""
    size = frame.shape[1::-1]
    left, top = np.clip(corners.min(axis=0) >> _BITS, 0, size).tolist()
    right, bottom = np.clip((corners.max(axis=0) >> _BITS) + 2, 0, size).tolist()
    if left < right and top < bottom:
        under = frame[top:bottom, left:right]
        veil = under.copy()
        cv2.fillConvexPoly(veil, corners - np.array([left, top], np.int32) * ONE_PIXEL, color, cv2.LINE_AA, _BITS)
        under[...] = cv2.addWeighted(veil, _TINT, under, 1 - _TINT, 0)
