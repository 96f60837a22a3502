"""Shape of a source's frames: non-square pixels, frames that lie on their side, mirrored ones.

Networks are trained on square pixels: in a frame of half the width, faces are twice as slim, and angles are wrong by 5
to 16 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.frames import MAX_FRAME_SIDE
from hpe_edge.sources.frame import Frame, Source

if TYPE_CHECKING:
    from hpe_edge.camera import Camera
    from hpe_edge.sources.capture.recording import Capture

_LEAST_SAR, _MOST_SAR = 1 / 8, 8.0  # beyond, the header is wrong
_SQUARE = 0.01  # less is a rounding of the encoder


@dataclass(frozen=True)
class Shape:
    """Changes of a source's frames, in the order of the attributes.

    Attributes:
        sar: width of a pixel by its height. Frames are enlarged until pixels are square; none is lost.
        rotate: clockwise turn in degrees: 0, 90, 180 or 270.
        mirror: swap left and right.

    Raises:
        InputError: a value out of range.
    """

    sar: float = 1.0
    rotate: int = 0
    mirror: bool = False

    def __post_init__(self) -> None:
        if not _LEAST_SAR <= self.sar <= _MOST_SAR:
            raise InputError(f"sar is the width of a pixel by its height, 1/8 to 8, got {self.sar}")
        if self.rotate not in (0, 90, 180, 270):
            raise InputError(f"rotate is clockwise, 0, 90, 180 or 270 degrees, got {self.rotate}")

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a frame ``[H, W, 3]`` in this shape."""
        changed = image
        if self.sar != 1:
            height, width = image.shape[:2]
            changed = np.asarray(cv2.resize(changed, self._stretched(width, height)), np.uint8)
        if self.rotate:
            turns = cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE
            changed = np.asarray(cv2.rotate(changed, turns[self.rotate // 90 - 1]), np.uint8)
        return np.asarray(cv2.flip(changed, 1), np.uint8) if self.mirror else changed

    def of(self, frame: Frame) -> Frame:
        """Return a frame in this shape."""
        return frame if self == Shape() else replace(frame, image=self(frame.image))

    def camera(self, camera: Camera, width: int, height: int) -> Camera:
        """Return the camera of frames in this shape.

        Args:
            camera: of the source's own frames.
            width, height: of these, in pixels.
        """
        wide, high = self._stretched(width, height)
        changed = camera.stretched(wide / width, high / height).turned(self.rotate // 90, wide, high)
        return changed.mirrored(high if self.rotate % 180 else wide) if self.mirror else changed

    def before(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height of the source's own frame, from those of one in this shape."""
        wide, high = (height, width) if self.rotate % 180 else (width, height)
        return (round(wide / self.sar), high) if self.sar > 1 else (wide, round(high * self.sar))

    def note(self, name: str, image: NDArray[np.uint8]) -> list[str]:
        """Return a note if frames like this one of the source are stretched."""
        if self.sar == 1:
            return []
        height, width = image.shape[:2]
        wide, high = self._stretched(width, height)
        return [
            f"the pixels of {name} are {self.sar:.4g} times as wide as high: its frames are stretched from {width} x "
            f"{height} to {wide} x {high}; boxes are in pixels of that size"
        ]

    def _stretched(self, width: int, height: int) -> tuple[int, int]:
        wide, high = (round(width * self.sar), height) if self.sar > 1 else (width, round(height / self.sar))
        return min(wide, MAX_FRAME_SIDE), min(high, MAX_FRAME_SIDE)


def shape_of(source: Source) -> Shape:
    """Return the shape of a source's frames; that of a caller's own source is not changed."""
    shape = getattr(source, "shape", None)
    return shape if isinstance(shape, Shape) else Shape()


def declared(capture: Capture) -> Shape:
    """Return the shape that a container declares; its turn is applied by OpenCV."""
    above, below = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    if not (above > 0 and below > 0):
        return Shape()
    on_its_side = capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90 and capture.get(cv2.CAP_PROP_ORIENTATION_AUTO)
    sar = below / above if on_its_side else above / below
    return Shape(sar) if _LEAST_SAR <= sar <= _MOST_SAR and abs(sar - 1) > _SQUARE else Shape()
