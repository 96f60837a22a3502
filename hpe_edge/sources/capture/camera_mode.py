"""Mode of a camera: size, frame rate and pixel format."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpe_edge.errors import InputError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.frames import MAX_FRAME_SIDE
from hpe_edge.sources.capture.recording import Capture


@dataclass(frozen=True)
class CameraMode:
    """Mode of a camera; None leaves a value to the driver.

    Attributes:
        size_wh: width and height in pixels.
        fps: frames per second.
        fourcc: pixel format, four characters: MJPG allows higher rates over USB than YUYV.

    Raises:
        InputError: a value out of range.
    """

    size_wh: tuple[int, int] | None = None
    fps: float | None = None
    fourcc: str | None = None

    def __post_init__(self) -> None:
        if self.size_wh is not None and not all(0 < side <= MAX_FRAME_SIDE for side in self.size_wh):
            raise InputError(f"a camera's size is 1 to {MAX_FRAME_SIDE} pixels a side, got {self.size_wh}")
        if self.fps is not None and not 0 < self.fps < 1000:
            raise InputError(f"a camera's frame rate is above 0 and below 1000, got {self.fps}")
        if self.fourcc is not None and not re.fullmatch("[ -~]{4}", self.fourcc):
            raise InputError(f"a fourcc has four characters, such as MJPG, got {self.fourcc!r}")

    def ask(self, capture: cv2.VideoCapture) -> None:
        """Ask an opened camera for this mode, the format first, as sizes and rates depend on it."""
        if self.fourcc is not None:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self.fourcc))
        if self.size_wh is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.size_wh[1])
        if self.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self.fps)

    def differs(self, capture: Capture) -> str | None:
        """Return the difference to what an opened camera does, None if there is none."""
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        fps, code = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FOURCC))
        found = []
        if self.size_wh is not None and self.size_wh != (width, height):
            found.append(f"{width:.0f}x{height:.0f} instead of {self.size_wh[0]}x{self.size_wh[1]} pixels")
        if self.fps is not None and abs(fps - self.fps) > 0.5:
            found.append(f"{fps:g} instead of {self.fps:g} frames per second")
        fourcc = code.to_bytes(4, "little", signed=code < 0).decode("latin-1")
        if self.fourcc is not None and fourcc != self.fourcc:
            found.append(f"{fourcc!r} instead of {self.fourcc!r}")
        return ", ".join(found) or None
