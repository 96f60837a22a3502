"""RoIAlign and non-maximum suppression: checked interface of the native operations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError
from hpe_edge.ops.native import native

ROI_BINS: int = native.ROI_BINS  # of a pooled region, on a side

_FLOAT32 = np.dtype(np.float32)
_MOST_CELLS = 1 << 31  # of a map, so that its offsets are whole numbers of 32 bits


def roi_align(
    maps: Sequence[tuple[NDArray[np.float32], float]], levels: ArrayLike, boxes: ArrayLike, *, isa: str = ""
) -> NDArray[np.float32]:
    """Pool the features under boxes, each from one level of a pyramid.

    The definition is torchvision's with ``aligned=False``, ``output_size=7`` and ``sampling_ratio=2``: a box is at
    least one cell on a side, coordinate 0 is the centre of the first cell, and what lies more than a cell outside of
    the map is 0.

    Args:
        maps: of each level, features float32 ``[H, W, C]``, C-contiguous, and its cells per pixel.
        levels: ``[N]`` places in ``maps``.
        boxes: ``[N, 4]`` numbers x1 y1 x2 y2 in pixels, of any size and place; a NaN gives zeros.
        isa: instruction set, one of ``native.isa_names()``; the best by default.

    Returns:
        ``[N, 7, 7, C]``; N may be 0.

    Raises:
        InputError: an array of another kind, maps of different C, or a level that is not there.
    """
    channels = maps[0][0].shape[-1] if maps and maps[0][0].ndim == 3 else 0
    for each, scale in maps:
        if each.dtype != _FLOAT32 or each.ndim != 3 or not each.flags.c_contiguous or not each.flags.aligned:
            raise InputError(f"a map must be C-contiguous float32 [H, W, C], got {each.dtype} {each.shape}")
        if each.shape[2] != channels or not 0 < each.size < _MOST_CELLS:
            raise InputError(f"the maps must have the same channels and not be empty, got {each.shape}")
        if not 0 < scale < math.inf:
            raise InputError(f"a map has a positive number of cells per pixel, got {scale!r}")
    where, places = _box_rows(boxes), np.asarray(levels)
    if places.shape != (len(where),) or (len(where) and places.dtype.kind not in "iu"):
        raise InputError(f"there must be one level per box, got {places.dtype} {places.shape} for {len(where)} boxes")
    if len(where) and (int(places.min()) < 0 or int(places.max()) >= len(maps)):
        raise InputError(f"levels must be from 0 to {len(maps) - 1}, got {int(places.min())} to {int(places.max())}")
    out = np.empty((len(where), ROI_BINS, ROI_BINS, channels), np.float32)
    if len(where):
        native.roi_align(list(maps), np.ascontiguousarray(places, np.int32), where, out, isa)
    return out


def suppress(
    boxes: ArrayLike, scores: ArrayLike, overlap: float, *, most: int | None = None, isa: str = ""
) -> NDArray[np.int32]:
    """Keep the best of the boxes that overlap.

    A kept box drops those of lower score whose intersection over union with it exceeds ``overlap``. Boxes without an
    area, or with a NaN, overlap none.

    Args:
        boxes: ``[N, 4]`` numbers x1 y1 x2 y2.
        scores: ``[N]``; of equal ones the first counts as higher, and a NaN as lowest.
        overlap: 0 to 1.
        most: end after this number of kept boxes; None: all.
        isa: instruction set, one of ``native.isa_names()``; the best by default.

    Returns:
        Places of the kept boxes, best first.

    Raises:
        InputError: boxes, scores or limits of another kind.
    """
    rows, marks = _box_rows(boxes), np.asarray(scores)
    if marks.shape != (len(rows),):
        raise InputError(f"there must be one score per box, got {marks.shape} for {len(rows)} boxes")
    if not 0 <= overlap <= 1:
        raise InputError(f"overlap must be from 0 to 1, got {overlap!r}")
    if most is not None and most < 0:
        raise InputError(f"most must be 0 or more, got {most!r}")
    order = np.argsort(-marks, kind="stable").astype(np.int32)
    kept = np.empty(len(rows) if most is None else min(most, len(rows)), np.int32)
    if len(kept) == 0:
        return kept
    found = native.suppress(np.ascontiguousarray(rows[order]), overlap, kept, isa)
    return order[kept[:found]]


def _box_rows(boxes: ArrayLike) -> NDArray[np.float32]:
    rows = np.asarray(boxes, np.float32)
    if rows.size == 0 and rows.ndim <= 2:
        return np.zeros((0, 4), np.float32)
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise InputError(f"boxes must be [N, 4] numbers x1 y1 x2 y2, got {rows.shape}")
    return np.ascontiguousarray(rows)
