"""What cameras do to a picture: low resolution, blur, brightness, contrast, colour.

The first four are those of EHPNet's training; the colours are ours, because faces to learn from may be grey.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from export.distillation.patches import Image

# How many pictures are sampled down and up again, and to which part of their side at least.
_LOW_SHARE, _LOWEST = 0.25, 0.35
_BLUR_SHARE, _BLUR = 0.2, (0.3, 1.2)  # how many are blurred, and by which sigma in pixels
_CONTRAST, _BRIGHTNESS = 0.2, 20.0  # standard deviations, of the contrast's logarithm and in levels
_GREY_SHARE, _TINT = 0.5, 0.08  # how many lose their colours, and the standard deviation of a channel's gain

_MIDDLE = 110.0  # the level that contrast leaves alone; near the mean of photos


def varied(image: Image, rng: np.random.Generator) -> Image:
    """The picture ``[H, W, 3]``, BGR, as another camera might have taken it."""
    height, width = image.shape[:2]
    low, blurred, grey = rng.random(3) < (_LOW_SHARE, _BLUR_SHARE, _GREY_SHARE)
    part, sigma = rng.uniform(_LOWEST, 1.0), rng.uniform(*_BLUR)
    levels = _levels(rng)
    if grey:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    if low:
        shrunk = cv2.resize(image, (round(width * part), round(height * part)), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if blurred:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    return np.asarray(cv2.LUT(image, levels), np.uint8)


def _levels(rng: np.random.Generator) -> NDArray[np.uint8]:
    """What each of the 256 levels becomes, ``[1, 256, 3]``."""
    contrast, brightness = np.exp(_CONTRAST * rng.normal()), _BRIGHTNESS * rng.normal()
    tint = np.exp(_TINT * rng.normal(0, 1, 3))
    levels = ((np.arange(256.0)[:, None] - _MIDDLE) * contrast + _MIDDLE + brightness) * tint
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)[None]
