"""Projection of 3D lines of a head into the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.camera import Camera

Float64Array = NDArray[np.float64]

_NEAR = 0.1  # of the head's distance: the near plane, at which lines are clipped


def view_lines(
    lines: Float64Array, boxes: Float64Array, rotations: NDArray[np.floating], camera: Camera | None
) -> tuple[Float64Array, Float64Array]:
    """Project straight lines in the head's frame into the image, for N heads.

    A head is at the box's centre, and its unit of length is the box's longer side. Without a camera the projection is
    orthographic. With one the head is on the ray through the box's centre, at the distance from which one unit across
    that ray spans the same angle as the box. So parts nearer to the camera are larger, and a head off the optical axis
    shows the side that faces the camera.

    Args:
        lines: ``[K, 2, 3]``, start and end in the head's frame, in units.
        boxes: ``[N, 4]`` x1 y1 x2 y2 in pixels, x1 < x2 and y1 < y2.
        rotations: ``[N, 3, 3]``, head to camera.
        camera: of the frame.

    Returns:
        ``[N, K, 2, 2]`` in pixels, NaN for a line behind the camera; and depths ``[N, K]``: distance of a line's middle
        from the camera minus that of the head's centre, in units.
    """
    turned = lines @ np.swapaxes(rotations.astype(np.float64), -1, -2)[:, None]
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    if camera is None:
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        pixels: Float64Array = centers[:, None, None] + sides[:, None, None, None] * turned[..., :2]
        return pixels, turned[..., 2].mean(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):  # extreme intrinsics give NaN
        distances = _distances(camera, boxes)
        heads = _unit(camera.rays(centers)) * distances[:, None]
        placed = turned + heads[:, None, None]
        depths = np.linalg.norm(placed.mean(axis=2), axis=-1) - distances[:, None]
        return camera.project(_cut(placed, _NEAR * heads[:, 2])), depths


def _distances(camera: Camera, boxes: Float64Array) -> Float64Array:
    """Return the distances from which a length of 1 spans the angle between the middles of a box's opposite edges."""
    x1, y1, x2, y2 = boxes.T
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, right, top, bottom = _unit(camera.rays(np.array([[x1, y], [x2, y], [x, y1], [x, y2]]).swapaxes(1, 2)))
    chords = np.linalg.norm([right - left, bottom - top], axis=-1).max(axis=0)  # of the unit circle
    distances: Float64Array = 0.5 / np.tan(np.arcsin(np.minimum(chords / 2, 1)))
    return distances


def _unit(vectors: Float64Array) -> Float64Array:
    unit: Float64Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def _cut(lines: Float64Array, near: Float64Array) -> Float64Array:
    """Clip lines ``[N, K, 2, 3]`` at the near plane z = ``near`` ``[N]``; NaN where nothing is left."""
    z, plane = lines[..., 2:], near[:, None, None, None]
    behind = z < plane
    if not behind.any():
        return lines
    other = lines[:, :, ::-1]
    share = (plane - z) / (other[..., 2:] - z)  # of the way to the other end
    cut = np.where(behind, lines + share * (other - lines), lines)
    return np.where(behind.all(axis=2, keepdims=True), np.nan, cut)
