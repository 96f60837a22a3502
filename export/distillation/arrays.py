"""Data types and constants of distillation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

SEED = 20231
BATCH = 64
SIDE = 192  # pixels of a patch
FACE = 96  # longer side of the face box in a patch: students see 1.25 times that in 112 pixels, so nothing is lost

Image = NDArray[np.uint8]
Float64Array = NDArray[np.float64]


class FaceSource(Protocol):
    """N faces as images: patches or scenes.

    Attributes:
        boxes: float32 ``[N, 4]`` x1 y1 x2 y2 of the landmark boxes in the images.
        digest: hexadecimal; changes with any pixel.
    """

    @property
    def boxes(self) -> NDArray[np.float32]: ...

    @property
    def digest(self) -> str: ...

    def __len__(self) -> int: ...

    def image(self, number: int, /) -> Image:
        """The image of a face, BGR."""


@dataclass(frozen=True)
class Patches:
    """N faces.

    Attributes:
        pictures: uint8 ``[N, SIDE, SIDE, 3]``, BGR; the landmark box is in the middle, its longer side FACE pixels.
        boxes: float32 ``[N, 4]`` x1 y1 x2 y2 of the landmark boxes in the patches.
        notes: unreadable images and unused boxes.
        digest: hexadecimal; changes with any pixel.
    """

    pictures: Image
    boxes: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        content = hashlib.sha256(np.ascontiguousarray(self.pictures).data)
        content.update(np.ascontiguousarray(self.boxes).data)
        object.__setattr__(self, "digest", content.hexdigest())

    def __len__(self) -> int:
        return len(self.boxes)

    def image(self, face: int) -> Image:
        """The patch of a face."""
        return np.asarray(self.pictures[face], np.uint8)


@dataclass(frozen=True)
class Predictions:
    """One teacher's predictions for N faces.

    Attributes:
        angles: float32 ``[N, 3]``, yaw, pitch, roll in degrees.
        distributions: float16 ``[N, 3, COUNT]`` on :mod:`export.distillation.angle_grid`; None where the teacher gives
            plain angles or a rotation.
    """

    angles: NDArray[np.float32]
    distributions: NDArray[np.float16] | None


@dataclass(frozen=True)
class Batch:
    """B crops with their targets.

    Attributes:
        crops: uint8 ``[B, 3, S, S]`` in the student's colour order.
        distributions: float32 ``[B, 3, COUNT]``.
        angles: float32 ``[B, 3]``, yaw, pitch, roll in degrees.
    """

    crops: NDArray[np.uint8]
    distributions: NDArray[np.float32]
    angles: NDArray[np.float32]


def warp(image: Image, matrix: Float64Array, size: int) -> Image:
    """``[size, size, 3]`` of an image, whose edge is repeated outside it.

    Args:
        matrix: the homography to the image, in OpenCV's coordinates.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
