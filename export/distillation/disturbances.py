"""Changes that cameras make to an image: resolution, blur, light, colours, noise, compression, occlusion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from export.teaching.arrays import Image
from hpe_edge.opencv.lazy import cv2

_MIDDLE = 110.0  # the level that contrast does not change; near the mean of photos

# Shares of the images, and the range or the standard deviation of each change. Lengths are shares of the image's side.
_LOW_SHARE, _LOWEST = 0.25, 0.18  # sampled down and up again; the least scale
_BLUR_SHARE, _BLUR = 0.3, (0.003, 0.04)
_STREAK_SHARE, _STREAK = 0.06, (0.03, 0.12)  # blur along a line
_DARK_SHARE, _DARK = 0.2, (0.12, 0.6)  # factor of all levels
_CONTRAST, _BRIGHTNESS, _GAMMA = 0.25, 22.0, 0.25  # the first and the last of logarithms; the second in levels
_SIDE_LIGHT_SHARE, _SIDE_LIGHT = 0.2, 0.7  # light falls from one side: the logarithm's largest change
_GREY_SHARE, _TINT = 0.4, 0.08
_NOISE_SHARE, _NOISE = 0.25, (2.0, 16.0)  # levels
_JPEG_SHARE, _JPEG = 0.15, (15, 60)  # quality
_HIDE_SHARE, _HIDE = 0.15, (0.1, 0.4)  # a rectangle of another colour


def disturbed(image: Image, rng: np.random.Generator) -> Image:
    """An image ``[S, S, 3]`` with changes drawn at random."""
    draws = rng.random(8)
    if draws[0] < _HIDE_SHARE:
        image = _hidden(image, rng)
    if draws[1] < _GREY_SHARE:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    if draws[2] < _SIDE_LIGHT_SHARE:
        image = _lit_from_a_side(image, rng)
    if draws[3] < _BLUR_SHARE:
        image = blurred(image, float(np.exp(rng.uniform(*np.log(_BLUR)))))
    if draws[4] < _STREAK_SHARE:
        image = _streaked(image, rng)
    if draws[5] < _LOW_SHARE:
        image = coarser(image, float(rng.uniform(_LOWEST, 1.0)))
    image = np.asarray(cv2.LUT(image, _levels(rng)), np.uint8)
    if draws[6] < _NOISE_SHARE:
        image = noisy(image, float(rng.uniform(*_NOISE)), rng)
    if draws[7] < _JPEG_SHARE:
        image = compressed(image, int(rng.integers(*_JPEG)))
    return image


def blurred(image: Image, share: float) -> Image:
    """Blur by a Gaussian whose standard deviation is a share of the image's side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * len(image)), np.uint8)


def coarser(image: Image, scale: float) -> Image:
    """Sample down by a factor below 1, and up again."""
    side = len(image)
    small = cv2.resize(image, (max(4, round(side * scale)),) * 2, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def darker(image: Image, factor: float) -> Image:
    """All levels times a factor."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=factor), np.uint8)


def noisy(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """Add normal noise; its standard deviation is in levels."""
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(deviation)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


def compressed(image: Image, quality: int) -> Image:
    """Encode and decode as JPEG, quality 1 to 100."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _hidden(image: Image, rng: np.random.Generator) -> Image:
    side = len(image)
    width, height = (rng.uniform(*_HIDE, 2) * side).astype(int)
    x, y = rng.integers(0, side - width + 1), rng.integers(0, side - height + 1)
    covered = np.array(image)
    covered[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    return covered


def _lit_from_a_side(image: Image, rng: np.random.Generator) -> Image:
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(-_SIDE_LIGHT, _SIDE_LIGHT)
    along = np.linspace(-1, 1, len(image), dtype=np.float32)
    light = np.exp(np.float32(strength) * (along * np.cos(angle) + along[:, None] * np.sin(angle))).astype(np.float32)
    return np.asarray(np.clip(image * light[..., None], 0, 255), np.uint8)


def _streaked(image: Image, rng: np.random.Generator) -> Image:
    length = max(3, int(rng.uniform(*_STREAK) * len(image)))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle, reach = length // 2, length / 2
    end = (round(middle + reach * np.cos(angle)), round(middle + reach * np.sin(angle)))
    start = (round(middle - reach * np.cos(angle)), round(middle - reach * np.sin(angle)))
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / max(kernel.sum(), 1.0)), np.uint8)


def _levels(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lookup table of the 256 levels, ``[1, 256, 3]``."""
    contrast, brightness, gamma = np.exp(_CONTRAST * rng.normal()), _BRIGHTNESS * rng.normal(), _GAMMA * rng.normal()
    levels = 255 * (np.arange(256.0)[:, None] / 255) ** np.exp(gamma)
    levels = ((levels - _MIDDLE) * contrast + _MIDDLE + brightness) * np.exp(_TINT * rng.normal(0, 1, 3))
    if rng.random() < _DARK_SHARE:
        levels *= rng.uniform(*_DARK)
    return np.asarray(np.clip(np.rint(levels), 0, 255)[None], np.uint8)


# The disturbances that a model is judged by; each takes a crop with its face.
DISTURBANCES: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "blur of 2 % of the side": lambda image, _: blurred(image, 0.02),
    "blur of 4 % of the side": lambda image, _: blurred(image, 0.04),
    "a quarter of the resolution": lambda image, _: coarser(image, 0.25),
    "30 % of the light": lambda image, _: darker(image, 0.3),
    "noise of 12 levels": lambda image, rng: noisy(image, 12.0, rng),
    "JPEG, quality 20": lambda image, _: compressed(image, 20),
}
