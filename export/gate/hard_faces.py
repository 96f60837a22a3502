"""Hard faces: disturbed copies of given ones, on which rounding moves single poses by tens of degrees.

On sharp, upright, well lit faces a quantized network may agree with its original to a degree, and yet jump on the face
that is dark, blurred or turned: its signal then uses few of the 255 levels, and its angles lie between two answers.
Profiles cannot be made from other faces without their shape; a face squeezed to half its width is the nearest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hpe_edge.opencv.lazy import cv2

Image = NDArray[np.uint8]
Box = NDArray[np.float32]

_ROLL_DEG = (25.0, 90.0)
_OVER_DEG = (90.0, 180.0)
_DARK = (0.03, 0.3)  # factor of the levels
_BRIGHT, _LIFT = (1.4, 2.5), (0.0, 60.0)  # factor of the levels, and what is added
_BLUR = (0.02, 0.12)  # sigma, in sides of the face
_SMALL = (6.0, 20.0)  # side of the face in pixels, before it is enlarged again
_SQUEEZE = (0.4, 0.65)  # of the width
_SHIFT, _SCALE = 0.5, 2.0  # of a wrong box: in its sides, and the largest factor or divisor of its size
_NOISE = (15.0, 60.0)  # standard deviation in levels
_COVER, _COVERED_AT = (0.3, 0.7), (-0.2, 0.6)  # size and place of a patch, in sides of the face


def hard_face(kind: str, image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    """Disturb a face.

    Args:
        kind: one of :data:`KINDS`.
        image: uint8 ``[H, W, 3]``; it is not changed.
        box: float32 ``[4]``, x1 y1 x2 y2 in pixels.
        rng: the random generator.

    Returns:
        The image and the face's box in it.
    """
    return _KINDS[kind](image, box, rng)


def _rolled(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    return _turned(image, box, rng, _ROLL_DEG), box


def _upside_down(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    return _turned(image, box, rng, _OVER_DEG), box


def _turned(image: Image, box: Box, rng: np.random.Generator, range_deg: tuple[float, float]) -> Image:
    angle = rng.choice((-1.0, 1.0)) * rng.uniform(*range_deg)
    centre = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
    turn = cv2.getRotationMatrix2D(centre, angle, 1.0)
    turned = cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _dark(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    return _levels(image, rng.uniform(*_DARK), 0.0), box


def _bright(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    return _levels(image, rng.uniform(*_BRIGHT), rng.uniform(*_LIFT)), box


def _levels(image: Image, factor: float, added: float) -> Image:
    return np.asarray(cv2.convertScaleAbs(image, alpha=factor, beta=added), np.uint8)


def _blurred(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _side(box) * rng.uniform(*_BLUR)), np.uint8), box


def _low_resolution(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    part = min(1.0, rng.uniform(*_SMALL) / _side(box))
    small = [max(2, round(side * part)) for side in image.shape[1::-1]]
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8), box


def _squeezed(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    height, width = image.shape[:2]
    narrow = max(2, round(width * rng.uniform(*_SQUEEZE)))
    squeezed = cv2.resize(image, (narrow, height), interpolation=cv2.INTER_AREA)
    return np.asarray(squeezed, np.uint8), box * np.array([narrow / width, 1, narrow / width, 1], np.float32)


def _wrong_box(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    sides = box[2:] - box[:2]
    centre = (box[:2] + box[2:]) / 2 + sides * rng.uniform(-_SHIFT, _SHIFT, 2).astype(np.float32)
    half = sides / 2 * np.float32(_SCALE ** rng.uniform(-1, 1))
    return image, np.concatenate([centre - half, centre + half])


def _noisy(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(*_NOISE))
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8), box


def _covered(image: Image, box: Box, rng: np.random.Generator) -> tuple[Image, Box]:
    sides = box[2:] - box[:2]
    start = box[:2] + sides * rng.uniform(*_COVERED_AT, 2)
    end = start + sides * rng.uniform(*_COVER, 2)
    covered = image.copy()
    color = [int(level) for level in rng.integers(0, 256, 3)]
    cv2.rectangle(covered, [int(v) for v in start], [int(v) for v in end], color, cv2.FILLED)
    return covered, box


def _side(box: Box) -> float:
    return max(1.0, float((box[2:] - box[:2]).max()))


_KINDS: dict[str, Callable[[Image, Box, np.random.Generator], tuple[Image, Box]]] = {
    "rolled": _rolled,
    "dark": _dark,
    "blurred": _blurred,
    "low resolution": _low_resolution,
    "squeezed": _squeezed,
    "wrong box": _wrong_box,
    "upside down": _upside_down,
    "bright": _bright,
    "noisy": _noisy,
    "covered": _covered,
}

KINDS = tuple(_KINDS)
"""The disturbances, by name."""
