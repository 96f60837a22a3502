"""Data types and constants of distillation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpe_edge.opencv.lazy import cv2

SEED = 20231
BATCH = 64
SIDE = 192  # pixels of a patch
FACE = 96  # longer side of the face box in a patch: students see 1.25 times that in 112 pixels, so nothing is lost
MIDDLE = SIDE / 2
RIM = 32  # pixels of repeated edge around a patch, for models with wide crops, which are clipped at the border
MIRROR = np.diag([-1.0, 1.0, 1.0])  # a mirrored face has the rotation M R M

Image: TypeAlias = NDArray[np.uint8]
Float64Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Patches:
    """N faces, upright as far as their key points tell.

    Attributes:
        pictures: uint8 ``[N, SIDE, SIDE, 3]``, BGR; the landmark box is in the middle, its longer side FACE pixels.
        boxes: float32 ``[N, 4]`` x1 y1 x2 y2 of the landmark boxes in the patches.
        sources: intp ``[N]``, the number of the picture that each was cut from.
        notes: unreadable images and unused boxes.
        digest: hexadecimal; changes with any pixel.
    """

    pictures: Image
    boxes: NDArray[np.float32]
    sources: NDArray[np.intp]
    notes: tuple[str, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        content = hashlib.sha256(np.ascontiguousarray(self.pictures).data)
        content.update(np.ascontiguousarray(self.boxes).data)
        object.__setattr__(self, "digest", content.hexdigest())

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Labels:
    """Poses of N faces, as upright as their patches are.

    Attributes:
        rotations: float64 ``[N, 3, 3]``.
        widths: float64 ``[N, 3]``, standard deviations in degrees of yaw, pitch and roll, in the order zxy.
    """

    rotations: Float64Array
    widths: Float64Array

    def __len__(self) -> int:
        return len(self.rotations)


@dataclass(frozen=True)
class Batch:
    """B crops with their targets.

    Attributes:
        crops: uint8 ``[B, 3, S, S]`` in the student's colour order.
        rotations: float32 ``[B, 3, 3]``.
        widths: float32 ``[B, 3]``, see :class:`Labels`.
    """

    crops: NDArray[np.uint8]
    rotations: NDArray[np.float32]
    widths: NDArray[np.float32]


def warp(image: Image, matrix: Float64Array, size: int) -> Image:
    """``[size, size, 3]`` of an image, whose edge is repeated outside it.

    Args:
        matrix: ``[2, 3]`` from the result to the image, corners at whole numbers.
    """
    # OpenCV counts from the centre of the first pixel.
    shifted = np.array(matrix)
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(image, shifted, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def turned_square(
    middle: Float64Array, side: float, turn_deg: float, size: int, *, mirror: bool = False
) -> Float64Array:
    """The map ``[2, 3]`` for :func:`warp` that shows a square of the image, turned clockwise, mirrored before that.

    Args:
        middle: of the square, x y.
        side: its side in pixels of the image.
        turn_deg: the face in the result is turned clockwise by this.
        size: pixels of the result.
        mirror: left and right are exchanged.
    """
    angle = np.deg2rad(turn_deg)
    cosine, sine = np.cos(angle) * side / size, np.sin(angle) * side / size
    back = np.array([[cosine, sine], [-sine, cosine]])  # turns counter-clockwise: from the result to the image
    if mirror:
        back[0] *= -1
    return np.concatenate([back, (middle - back @ (size / 2, size / 2))[:, None]], axis=1)
