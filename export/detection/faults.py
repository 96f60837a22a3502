"""Camera faults on training pictures: blur, darkness, lost colours, noise, few pixels, compression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.opencv.lazy import cv2

Image = NDArray[np.uint8]

_LEVELS_SHARE, _GREY_SHARE, _BLUR_SHARE, _MOTION_SHARE = 0.8, 0.15, 0.2, 0.07
_LOW_SHARE, _NOISE_SHARE, _JPEG_SHARE = 0.12, 0.2, 0.25
_DARK_SHARE = 0.12
# The smallest recognisable face: longer side of its box, in pixels, deviations of a blur, lengths of a motion.
_SMALLEST, _DEVIATIONS, _LENGTHS = 9.0, 7.0, 2.5


def with_faults(image: Image, rng: np.random.Generator) -> tuple[Image, float]:
    """Vary a picture ``[H, W, 3]``, BGR; with it comes the longer side of the smallest recognisable face."""
    height, width = image.shape[:2]
    smallest = _SMALLEST
    if rng.random() < _LEVELS_SHARE:
        image = np.asarray(cv2.LUT(image, _levels(rng)), np.uint8)
    if rng.random() < _GREY_SHARE:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    if rng.random() < _LOW_SHARE:
        part = rng.uniform(0.35, 0.8)
        small = cv2.resize(image, (round(width * part), round(height * part)), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        smallest = _SMALLEST / part
    if rng.random() < _BLUR_SHARE:
        deviation = float(np.exp(rng.uniform(-0.7, 1.1)))
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.uint8)
        smallest = max(smallest, _DEVIATIONS * deviation)
    elif rng.random() < _MOTION_SHARE:
        length = int(rng.integers(3, 10))
        image = _moved(image, length, rng)
        smallest = max(smallest, _LENGTHS * length)
    if rng.random() < _NOISE_SHARE:
        noise = rng.normal(0, rng.uniform(2, 18), image.shape[:2] if rng.random() < 0.5 else image.shape)
        image = np.clip(image + (noise if noise.ndim == 3 else noise[..., None]), 0, 255).astype(np.uint8)
    if rng.random() < _JPEG_SHARE:
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 85))])
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image, smallest


def _levels(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lookup table ``[1, 256, 3]`` of contrast, brightness, gamma and tint."""
    contrast, brightness = np.exp(rng.normal(0, 0.25)), rng.normal(0, 22)
    tint = np.exp(rng.normal(0, 0.1, 3))
    levels = np.arange(256.0)[:, None] / 255
    gamma = np.exp(rng.normal(0, 0.25))
    levels = ((levels**gamma * 255 - 110) * contrast + 110 + brightness) * tint
    if rng.random() < _DARK_SHARE:
        levels = levels * rng.uniform(0.15, 0.6)
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)[None]


def _moved(image: Image, length: int, rng: np.random.Generator) -> Image:
    """Blur along a line."""
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    end = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    middle = (length - 1) / 2
    start_xy, end_xy = (tuple(round(middle + sign * each) for each in end) for sign in (-1, 1))
    cv2.line(kernel, start_xy, end_xy, 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
