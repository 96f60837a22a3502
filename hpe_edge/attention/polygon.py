"""Polygons in the plane of yaw and pitch."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

_ON_THE_EDGE = 1e-9  # degrees, of rounding


def signed_distance(points: Float64Array, corners: Float64Array) -> Float64Array:
    """Return the distance ``[N]`` of points ``[N, 2]`` to the outline of a polygon ``[K, 2]``: negative outside.

    On the outline it is 0, up to rounding, and not negative.
    """
    start, end = corners, np.roll(corners, -1, axis=0)
    edge = end - start
    to_point = points[:, None] - start
    along = np.clip((to_point * edge).sum(axis=-1) / (edge * edge).sum(axis=-1), 0, 1)
    distance = np.linalg.norm(to_point - along[..., None] * edge, axis=-1).min(axis=1)
    # A ray from the point to the right crosses the outline of a polygon around it an odd number of times.
    y = points[:, None, 1]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(edge[:, 1] == 0, 1, edge[:, 1])  # level edges span no y
    crossing = start[:, 0] + (y - start[:, 1]) / rise * edge[:, 0]
    inside = np.count_nonzero(spans & (points[:, None, 0] < crossing), axis=1) % 2 == 1
    signed: Float64Array = np.where(inside | (distance <= _ON_THE_EDGE), distance, -distance)
    return signed


def crossing_edges(corners: Float64Array) -> tuple[int, int] | None:
    """Return the numbers of two edges of a polygon ``[K, 2]`` that touch and are no neighbours, or None.

    Edge k goes from corner k to the next. Where neighbours fold back, one of them touches the edge after or before them
    as well, but in a triangle, which then has no area.
    """
    points = [(float(x), float(y)) for x, y in corners]
    count = len(points)
    for one, other in itertools.combinations(range(count), 2):
        if other == one + 1 or (other + 1) % count == one:
            continue
        if _touch(points[one], points[one + 1], points[other], points[(other + 1) % count]):
            return one, other
    return None


_Point = tuple[float, float]


def _side(a: _Point, b: _Point, c: _Point) -> float:
    """Return twice the area of a triangle: its sign tells the side of the line a b that c is on."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _touch(a: _Point, b: _Point, c: _Point, d: _Point) -> bool:
    """Return true if the segments a b and c d have a common point."""
    sides = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(side == 0 and _between(*end) for side, end in zip(sides, ends, strict=True))


def _between(a: _Point, b: _Point, c: _Point) -> bool:
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])
