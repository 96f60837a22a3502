"""Contrast stretch of crops in NumPy, with its percentiles and sorts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.spec import Crop, Input

SMALL_RANGE = 64.0
_PERCENTILES = (1.0, 99.0)
_FLAT = 2.0  # levels; a crop of one colour has no contrast to stretch
_SAMPLES = 16  # of a side, for the first judgement
_TRIMMED, _WIDER = 0.02, 1.25  # part of the samples left out at each end, and how much wider a range they may have
_FEWEST = 0.1  # part of the crop that lies in the frame
_BLENDED = 2  # pixels at the frame's edge that mix with the fill


class PlainStretch:
    """The rule of csrc/crop/stretch.h, as it is defined."""

    def __init__(self, crop: Crop, input: Input) -> None:
        """
        Args:
            crop: of the engine; the fill outside the frame is not counted, and not changed.
            input: size and normalisation of the crops.
        """
        self._step = max(1, input.size // _SAMPLES)
        self._gain = np.array([input.scale / std for std in input.std], np.float32)
        self._bias = np.array([-mean / std for mean, std in zip(input.mean, input.std, strict=True)], np.float32)
        self._fill = np.asarray(crop.fill, np.float32)
        self._wide = _WIDER * SMALL_RANGE * self._gain[1]
        self._filled = (self._fill[1] * self._gain[1] + self._bias[1]).astype(input.dtype)
        self._rounds = input.dtype == "uint8"

    def __call__(self, crops: NDArray[Any], stretched: NDArray[np.bool_]) -> None:
        """Stretch the crops of small range.

        Args:
            crops: ``[N, 3, size, size]`` in the input's dtype, normalised.
            stretched: ``[N]``, where the stretched ones are marked.
        """
        for k in self._suspects(crops):
            stretched[k] = self._stretch(crops[k])

    def _suspects(self, crops: NDArray[Any]) -> NDArray[np.intp]:
        """Return the crops whose samples of one channel have a small range; quick, and rather too many."""
        grids = crops[:, 1, :: self._step, :: self._step]
        samples = np.sort(grids.reshape(len(crops), grids.shape[1] * grids.shape[2]))
        trimmed = int(_TRIMMED * samples.shape[1])
        wide = samples[:, -1 - trimmed] - samples[:, trimmed] >= self._wide
        filled = np.count_nonzero(samples == self._filled, axis=1) > trimmed
        some: NDArray[np.intp] = np.flatnonzero(~wide | filled)
        # Without the fill, which may be all that widens the range.
        return np.array([k for k in some if not filled[k] or self._narrow(grids[k])], np.intp) if len(some) else some

    def _narrow(self, grid: NDArray[Any]) -> bool:
        samples = np.sort(grid[_shrunk(grid != self._filled, 1)])
        trimmed = int(_TRIMMED * len(samples))
        return len(samples) > 0 and bool(samples[-1 - trimmed] - samples[trimmed] < self._wide)

    def _stretch(self, crop: NDArray[Any]) -> bool:
        gain, bias = self._gain[:, None, None], self._bias[:, None, None]
        levels = (crop.astype(np.float32) - bias) / gain
        inside = _shrunk(np.abs(levels - self._fill[:, None, None]).max(axis=0) > 0.5, _BLENDED)
        if inside.mean() < _FEWEST or not np.isfinite(levels).all():
            return False
        low, high = np.percentile(levels[:, inside], _PERCENTILES)
        if not _FLAT <= high - low < SMALL_RANGE:
            return False
        full = np.clip((levels - low) * np.float32(255 / (high - low)), 0, 255)
        result = full * gain + bias
        crop[...] = np.where(inside, np.rint(result) if self._rounds else result, crop)
        return True


def _shrunk(inside: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Take the pixels up to ``by`` beside those outside away as well, which mix with the fill."""
    if bool(inside.all()):
        return inside
    kept: NDArray[np.bool_] = inside.copy()
    for shift in range(1, by + 1):
        kept[shift:] &= inside[:-shift]
        kept[:-shift] &= inside[shift:]
        kept[:, shift:] &= inside[:, :-shift]
        kept[:, :-shift] &= inside[:, shift:]
    return kept
