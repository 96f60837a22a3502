"""What cameras do to a picture, drawn anew for each crop: low resolution, blur, brightness, contrast, colour.

The first four are those of EHPNet's training; the colours are ours, because faces to learn from may be grey.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# How many crops are sampled down and up again, and to which part of their side at least.
_LOW_SHARE, _LOWEST = 0.25, 0.25
_BLUR_SHARE, _BLUR_LEAST, _BLUR_MOST = 0.2, 0.4, 1.5  # how many are blurred, and by which sigma in pixels
_CONTRAST, _BRIGHTNESS = 0.2, 20.0  # standard deviations, of the contrast's logarithm and in levels
_GREY_SHARE, _TINT = 0.5, 0.08  # how many lose their colours, and the standard deviation of a channel's gain

_MIDDLE = 110.0  # the level that contrast leaves alone; near the mean of photos
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, for RGB

Crops = NDArray[np.uint8]


def vary(crops: Crops, rng: np.random.Generator) -> None:
    """Change crops ``[B, 3, S, S]``, RGB, in place."""
    count, _, size, _ = crops.shape
    low = _chosen(rng, count, _LOW_SHARE)
    small = np.rint(size * rng.uniform(_LOWEST, 1.0, count)).astype(int)
    blurred = _chosen(rng, count, _BLUR_SHARE)
    sigmas = np.linspace(_BLUR_LEAST, _BLUR_MOST, 64)[rng.integers(64, size=count)]
    grey = _chosen(rng, count, _GREY_SHARE)
    levels = _level_tables(rng, count)
    for i in range(count):
        if grey[i]:
            crops[i] = np.rint(np.tensordot(_GREY, crops[i], axes=1))
        sigma = float(sigmas[i])
        for plane, table in zip(crops[i], levels[i], strict=True):
            if low[i]:
                shrunk = cv2.resize(plane, (int(small[i]),) * 2, interpolation=cv2.INTER_AREA)
                cv2.resize(shrunk, (size, size), dst=plane, interpolation=cv2.INTER_LINEAR)
            if blurred[i]:
                cv2.GaussianBlur(plane, (0, 0), sigma, dst=plane)
            cv2.LUT(plane, table, dst=plane)


def _chosen(rng: np.random.Generator, count: int, share: float) -> NDArray[np.bool_]:
    return np.asarray(rng.random(count) < share)


def _level_tables(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """What each of the 256 levels becomes, ``[count, 3, 256]``."""
    contrast = np.exp(_CONTRAST * rng.normal(0, 1, (count, 1, 1)))
    brightness = _BRIGHTNESS * rng.normal(0, 1, (count, 1, 1))
    tint = np.exp(_TINT * rng.normal(0, 1, (count, 3, 1)))
    levels = ((np.arange(256.0) - _MIDDLE) * contrast + _MIDDLE + brightness) * tint
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
