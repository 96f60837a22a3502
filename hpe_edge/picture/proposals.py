"""Proposals: the regions of a picture that the second network looks at.

Source: Ren et al., Faster R-CNN, 2015, arXiv:1506.01497; torchvision's region proposal network and its multi-scale
RoIAlign, whose order of steps and rounding this keeps.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from hpe_edge.ops.regions import suppress
from hpe_edge.picture.picture_spec import STRIDES, ProposalRule

Float32Array = NDArray[np.float32]

_LARGEST_GROWTH = math.log(1000 / 16)  # of a side, in logarithms
_SMALLEST_SIDE = 1e-3  # pixels
_CANONICAL_SIDE, _CANONICAL_LEVEL = 224, 4  # a square of this side belongs to the level of stride 2^4
_ROUNDING = 1e-6


def grid_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return rows and columns of the five levels of a padded picture."""
    sizes = [(height // stride, width // stride) for stride in STRIDES]
    rows, columns = sizes[-1]
    return [*sizes, ((rows + 1) // 2, (columns + 1) // 2)]


@functools.lru_cache(maxsize=8)
def anchor_boxes(height: int, width: int, rule: ProposalRule) -> tuple[Float32Array, ...]:
    """Return the anchors of each level of a padded picture, ``[rows * columns * ratios, 4]``, row by row.

    A level's stride is the picture's side divided by the level's, rounded down: at the fifth level it is seldom 64.
    """
    levels = []
    for (rows, columns), side in zip(grid_sizes(height, width), rule.anchors, strict=True):
        tall = np.sqrt(np.asarray(rule.ratios, np.float32))
        half = np.stack([1 / tall, tall], axis=1) * np.float32(side) / 2
        shapes = np.rint(np.concatenate([-half, half], axis=1))
        x = np.arange(columns, dtype=np.float32) * (width // columns)
        y = np.arange(rows, dtype=np.float32) * (height // rows)
        middles = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
        levels.append((np.tile(middles, 2) + shapes).reshape(-1, 4).astype(np.float32))
    return tuple(levels)


def propose(
    logits: Float32Array, shifts: Float32Array, padded_hw: tuple[int, int], size_hw: tuple[int, int], rule: ProposalRule
) -> Float32Array:
    """Choose the regions of a picture.

    Args:
        logits, shifts: ``[A]`` and ``[A, 4]`` of the first network.
        padded_hw: height and width of its input.
        size_hw: height and width of the picture in it.
        rule: of the model.

    Returns:
        ``[N, 4]`` x1 y1 x2 y2 in pixels of the resized picture, the best first, N at most ``rule.count``.
    """
    boxes, scores = [], []
    start = 0
    for anchors in anchor_boxes(*padded_hw, rule):
        mark, shift = logits[start : start + len(anchors)], shifts[start : start + len(anchors)]
        start += len(anchors)
        if len(mark) > rule.per_level:
            best = np.argpartition(-mark, rule.per_level)[: rule.per_level]
            anchors, mark, shift = anchors[best], mark[best], shift[best]
        moved = clipped(_moved(anchors, shift), size_hw)
        seen = (moved[:, 2:] - moved[:, :2] >= _SMALLEST_SIDE).all(axis=1)
        moved, mark = moved[seen], mark[seen]
        kept = suppress(moved, mark, rule.overlap, most=rule.count)
        boxes.append(moved[kept])
        scores.append(mark[kept])
    order = np.argsort(-np.concatenate(scores), kind="stable")[: rule.count]
    return np.concatenate(boxes)[order]


def clipped(boxes: Float32Array, size_hw: tuple[int, int]) -> Float32Array:
    """Clip boxes to a picture."""
    height, width = size_hw
    limits: Float32Array = np.array([width, height, width, height], np.float32)
    return np.clip(boxes, np.float32(0), limits)


def level_of(boxes: Float32Array) -> NDArray[np.int32]:
    """Return for each box the place in STRIDES of the level that it is pooled from."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        levels = np.floor(_CANONICAL_LEVEL + np.log2(sides / np.float32(_CANONICAL_SIDE)) + np.float32(_ROUNDING))
    first = int(math.log2(STRIDES[0]))
    places: NDArray[np.int32] = (
        np.clip(np.nan_to_num(levels, nan=first), first, first + len(STRIDES) - 1) - first
    ).astype(np.int32)
    return places


def _moved(anchors: Float32Array, shifts: Float32Array) -> Float32Array:
    """Move the anchors' middles by parts of their sides, and scale the sides by exponentials."""
    sides = anchors[:, 2:] - anchors[:, :2]
    middles = anchors[:, :2] + np.float32(0.5) * sides + shifts[:, :2] * sides
    half = np.float32(0.5) * sides * np.exp(np.minimum(shifts[:, 2:], np.float32(_LARGEST_GROWTH)))
    return np.concatenate([middles - half, middles + half], axis=1)
