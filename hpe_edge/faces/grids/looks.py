"""Looks at a frame: its size in the input, tiles, quarter turns, and the way back to the frame's pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_WIDE_SIDE = 224  # pixels that the wide look gives the frame's longer side
_WIDE_MARGIN = 0.3  # on each side, of the frame's
_TILE = 0.6  # side of a tile, of the frame's; neighbours overlap by a fifth of the frame
_INNER = 0.6  # part of a box that lies in a surer one
_SAME = 0.2  # shared part of the smaller of two boxes on the same spot
_CLEARLY = 0.08  # by which the score of a turned look exceeds that of an upright one
_CUT = 0.01  # a box this near to a tile's inner border is cut; of the tile's side


class Look(NamedTuple):
    """One run of the network.

    Attributes:
        size: width and height of the input.
        scale: frame pixels per input pixel.
        corner: of the frame in the input, x and y; below 0 for a tile.
        quarters: counterclockwise quarter turns of the input, after that.
    """

    size: tuple[int, int]
    scale: float
    corner: tuple[float, float] = (0.0, 0.0)
    quarters: int = 0

    def in_frame(self, points: Array) -> Array:
        """Transform points ``[..., 2]`` of the turned input to pixels of the frame."""
        unturned = turned_points(points, -self.quarters, self.size if self.quarters % 2 == 0 else self.size[::-1])
        in_frame: Array = (unturned - np.array(self.corner, np.float32)) * np.float32(self.scale)
        return in_frame


class Candidates(NamedTuple):
    """N boxes before non-maximum suppression.

    Attributes:
        scores: ``[N]``.
        boxes: ``[N, 4]`` in pixels of the frame, as the network draws them.
        keypoints: ``[N, 5, 2]``, or ``[N, 0, 2]`` of a network without them.
        quarters: ``[N]``, quarter turns of the look that found each: the box's sides are those of a face upright there.
    """

    scores: Array
    boxes: Array
    keypoints: Array
    quarters: NDArray[np.intp]

    def where(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Candidates:
        return Candidates(self.scores[kept], self.boxes[kept], self.keypoints[kept], self.quarters[kept])

    @classmethod
    def joined(cls, parts: list[Candidates]) -> Candidates:
        return parts[0] if len(parts) == 1 else cls(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def turned_points(points: Array, quarters: int, size: tuple[int, int]) -> Array:
    """Turn points ``[..., 2]`` with a picture of that width and height, as ``numpy.rot90`` turns it."""
    x, y = points[..., 0], points[..., 1]
    width, height = size
    ways: tuple[Callable[[], tuple[Array, Array]], ...] = (
        lambda: (x, y),
        lambda: (y, width - x),
        lambda: (width - x, height - y),
        lambda: (height - y, x),
    )
    return np.stack(ways[quarters % 4](), axis=-1).astype(np.float32)


def turned_boxes(boxes: Array, quarters: int, size: tuple[int, int]) -> Array:
    """Turn boxes ``[N, 4]`` likewise."""
    corners = turned_points(boxes.reshape(-1, 2, 2), quarters, size)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def fitted(fit: Callable[[Array], Array], boxes: Array, quarters: NDArray[np.intp]) -> Array:
    """Convert boxes by a fit that holds for faces upright in their looks."""
    if not quarters.any():
        return fit(boxes)
    result: Array = boxes.copy()
    for turn in np.unique(quarters):
        rows = quarters == turn
        result[rows] = turned_boxes(fit(turned_boxes(boxes[rows], int(turn), (0, 0))), -int(turn), (0, 0))
    return result


def wide_look(width: int, height: int, fixed: tuple[int, int] | None, multiple: int) -> Look:
    """Return the look at the shrunk frame with a margin, for faces that fill the frame or leave it."""
    around = 1 + 2 * _WIDE_MARGIN
    scale = max(width, height) / _WIDE_SIDE
    if fixed is not None:
        size = fixed
        scale = max(scale, around * width / size[0], around * height / size[1])
    else:
        size = tuple(int(-(-side * around / scale // multiple)) * multiple for side in (width, height))  # type: ignore[assignment]
    left, top = (int((inside - side / scale) // 2) for inside, side in zip(size, (width, height), strict=True))
    return Look(size, scale, (left, top))


def tiles(whole: Look, width: int, height: int) -> Iterator[Look]:
    """Yield looks at parts of the frame, enlarged, for a network of one size."""
    scale = whole.scale * _TILE
    spans = [side * scale for side in whole.size]
    starts = [(0.0,) if side <= span else (0.0, side - span) for side, span in zip((width, height), spans, strict=True)]
    for top in starts[1]:
        for left in starts[0]:
            yield Look(whole.size, scale, (-left / scale, -top / scale))


def uncut(look: Look, boxes: Array, width: int, height: int) -> NDArray[np.bool_]:
    """Bool ``[N]``: boxes of a tile that do not reach its border, but where that is the frame's."""
    start = -np.array(look.corner) * look.scale
    end = start + np.array(look.size) * look.scale
    cut = _CUT * np.array(look.size) * look.scale
    low = (boxes[:, :2] > start + cut) | (start <= 0)
    high = (boxes[:, 2:] < end - cut) | (end >= [width, height])
    return np.asarray((low & high).all(axis=1))


def centred_in(boxes: Array, width: int, height: int) -> NDArray[np.bool_]:
    """Bool ``[N]``: boxes whose centre lies in the frame."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((middle >= 0) & (middle <= [width, height])).all(axis=1))


def without_rivals(upright: Candidates, turned: Candidates) -> list[Candidates]:
    """Return both, without turned boxes that are not clearly surer than upright ones in their place, or else these."""
    same = _shared(turned.boxes, upright.boxes) > _SAME
    surer = turned.scores[:, None] > upright.scores + _CLEARLY
    kept: NDArray[np.bool_] = ~np.asarray((same & ~surer).any(axis=1), np.bool_)
    beaten: NDArray[np.bool_] = np.asarray((same & surer)[kept].any(axis=0), np.bool_)
    return [upright.where(np.logical_not(beaten)), turned.where(kept)]


def _shared(boxes: Array, others: Array) -> Array:
    """Return the intersections ``[N, M]`` of boxes as parts of the smaller one."""
    sides = np.minimum(boxes[:, None, 2:], others[:, 2:]) - np.maximum(boxes[:, None, :2], others[:, :2])
    areas, other_areas = ((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, others))
    shared: Array = np.maximum(sides, 0).prod(axis=2) / np.minimum(areas[:, None], other_areas)
    return shared


def parts_of_faces(found: Candidates, wide: Candidates) -> NDArray[np.bool_]:
    """Bool ``[N]``: boxes that mostly lie in a surer one of the wide look.

    A network draws parts of a face that is too large for it, which overlap the whole one too little for non-maximum
    suppression.
    """
    boxes, whole = found.boxes, wide.boxes
    sides = np.minimum(boxes[:, None, 2:], whole[:, 2:]) - np.maximum(boxes[:, None, :2], whole[:, :2])
    shared = np.maximum(sides, 0).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray(((shared > _INNER * area[:, None]) & (wide.scores > found.scores[:, None])).any(axis=1))
