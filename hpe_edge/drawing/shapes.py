"""Shapes of a head's rotation: axes, cube and arrow. Lengths are in units of the box's longer side.

Colours are those of HopeNet's figures: x red, to the right in the image for a face that looks into the camera; y green,
to its chin; nose direction R (0, 0, -1) blue, out of the face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.strokes import (
    ONE_PIXEL,
    Color,
    Image,
    Int32Array,
    draw_dot,
    draw_lines,
    draw_polygon,
    tint_polygon,
)
from hpe_edge.drawing.style import Style

Float64Array = NDArray[np.float64]

_RED, _GREEN, _BLUE = (40, 40, 235), (60, 200, 40), (245, 90, 30)  # BGR
_COLORS: tuple[Color, ...] = (_RED, _GREEN, _BLUE)

_AXES = np.diag([1.0, 1.0, -1.0])  # x, y, nose
_AXIS_LENGTH = 0.75
_ARROW_LENGTH = 1.3
_ARROW_HEAD = 12  # in thicknesses, at most; as wide as long
_CUBE_EDGE = 0.85  # turned by 45 degrees the cube is 1.2 wide

_FRONT = _CUBE_EDGE / 2 * np.array([[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1]])  # on the nose's side
_BACK = _FRONT * [1, 1, -1]
_RIM = [[0, 1], [3, 2], [1, 2], [0, 3]]  # pairs of corners; edges along x first, then those along y
_CUBE = np.concatenate([_FRONT[_RIM], _BACK[_RIM], np.stack([_FRONT, _BACK], axis=1)])
_FRONT_EDGES, _BACK_EDGES, _SIDE_EDGES = slice(0, 4), slice(4, 8), slice(8, 12)


@dataclass(frozen=True)
class Shape:
    """Lines of a shape and the function that draws them.

    Attributes:
        lines: ``[K, 2, 3]`` in the head's frame.
        draw: called with the frame; the projected lines ``[K, 2, 2]`` of :func:`hpe_edge.drawing.strokes.fixed`; their
            depths ``[K]`` of :func:`hpe_edge.drawing.projection.view_lines`; the thickness in pixels; and the colour of
            the face's identity or None.
    """

    lines: Float64Array
    draw: Callable[[Image, Int32Array, Float64Array, int, Color | None], None]


def axis_ends(rotation: NDArray[np.floating], length: float) -> Float64Array:
    """Return the end points of the drawn axes relative to their origin, in orthographic projection.

    Args:
        rotation: ``[3, 3]``, head to camera.
        length: pixels of an axis that lies in the image plane.

    Returns:
        float64 ``[3, 2]``: x right, y down in pixels for the axes x, y and nose.
    """
    ends: Float64Array = length * (_AXES @ np.asarray(rotation, np.float64).T)[:, :2]
    return ends


def _draw_axes(
    frame: Image, lines: Int32Array, depths: Float64Array, thickness: int, identity_color: Color | None
) -> None:
    for axis in np.argsort(depths)[::-1]:  # nearer lines cover further ones
        draw_lines(frame, lines[axis, None], [_COLORS[axis]], thickness)


def _draw_cube(
    frame: Image, lines: Int32Array, depths: Float64Array, thickness: int, identity_color: Color | None
) -> None:
    """Draw the cube; the side of the nose is tinted and has thick edges."""
    top, bottom = lines[:2]
    tint_polygon(frame, np.concatenate([top, bottom[::-1]]), identity_color or _BLUE)
    thick, thin = round(1.5 * thickness), round(0.75 * thickness)
    parts = [(_BACK_EDGES, _COLORS[:2], thin), (_SIDE_EDGES, _COLORS[2:], thin), (_FRONT_EDGES, _COLORS[:2], thick)]
    nose_comes_nearer = depths[_FRONT_EDGES].mean() < depths[_BACK_EDGES].mean()
    for edges, colors, wide in parts if nose_comes_nearer else reversed(parts):
        draw_lines(frame, lines[edges], colors, wide)


def _draw_arrow(
    frame: Image, lines: Int32Array, depths: Float64Array, thickness: int, identity_color: Color | None
) -> None:
    """Draw the arrow with a dot at its start; it is shorter the more it points at the camera."""
    color = identity_color or _BLUE
    start, tip = lines[0]
    length = float(np.hypot(*(tip - start)))
    nose_comes_nearer = depths[0] < 0
    if nose_comes_nearer:
        draw_dot(frame, start, 2.5 * thickness, color)
    if length > 0:
        along = (tip - start) / length
        head = min(_ARROW_HEAD * thickness * ONE_PIXEL, 0.6 * length)
        neck, aside = tip - head * along, head / 2 * np.array([-along[1], along[0]])
        draw_lines(frame, np.array([[start, neck]]).astype(np.int32), [color], thickness)
        draw_polygon(frame, np.array([tip, neck + aside, neck - aside]).astype(np.int32), color)
    if not nose_comes_nearer:
        draw_dot(frame, start, 2.5 * thickness, color)


_CENTER = np.zeros((3, 3))
SHAPES: dict[Style, Shape] = {
    "axes": Shape(_AXIS_LENGTH * np.stack([_CENTER, _AXES], axis=1), _draw_axes),
    "cube": Shape(_CUBE, _draw_cube),
    "arrow": Shape(_ARROW_LENGTH * np.stack([_CENTER, _AXES], axis=1)[2:], _draw_arrow),
}
