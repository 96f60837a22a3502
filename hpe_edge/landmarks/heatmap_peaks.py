"""Peaks of heatmaps, between their pixels: checked interface of the native operation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.ops.native import native

_FLOAT32 = np.dtype(np.float32)


class HeatmapPeaks:
    """Places where maps are highest.

    The step between pixels is the vertex of a parabola through the highest value and its two neighbours, along x and
    along y: of the values' logarithms if they are probabilities, which is exact for a Gaussian, else of the values.
    There is none at a map's edge. Of several equal values the first counts. A map that is flat or holds a number that
    is not finite has no peak: NaN.
    """

    def __init__(self, count: int, side: int, scale: Literal["probability", "logit"], isa: str = "") -> None:
        """
        Args:
            count, side, scale: see :class:`hpe_edge.spec.Heatmaps`; checked there.
            isa: one of :func:`hpe_edge.ops.crop.isa_names`; empty takes the best. For tests and benchmarks.
        """
        self.count, self.side, self._width = count, side, count * side * side
        self.op = native.HeatmapPeaks(count=count, side=side, logarithm=scale == "probability", isa=isa)

    def __call__(self, maps: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Find the peaks of N faces' maps.

        Args:
            maps: float32 ``[N, count, side, side]``, or as many columns; those of a face are packed.
            out: C-contiguous float32 ``[N, count, 2]`` to fill; allocated if None.

        Returns:
            x y of each peak, (0, 0) the map's top left corner and (1, 1) the opposite one.

        Raises:
            InputError: an array of another dtype or shape.
        """
        flat = maps.reshape(len(maps), self._width) if maps.ndim > 2 and maps[:1].size == self._width else maps
        row, column = flat.strides if flat.ndim == 2 else (0, 0)
        if flat.dtype != _FLOAT32 or flat.ndim != 2 or flat.shape[1] < self._width or column != 4 or row % 4:
            raise InputError(
                f"maps must be packed float32 [N, {self.count}, {self.side}, {self.side}], got {maps.dtype} "
                f"{maps.shape}"
            )
        shape = (len(flat), self.count, 2)
        peaks = np.empty(shape, np.float32) if out is None else out
        if peaks.shape != shape or peaks.dtype != _FLOAT32 or not peaks.flags.c_contiguous:
            raise InputError(f"out must be C-contiguous float32 {shape}, got {peaks.dtype} {peaks.shape}")
        self.op.run(flat, peaks)
        return peaks
