"""Raw frames on standard input, from ``ffmpeg -f rawvideo`` or gst-launch-1.0 with fdsink."""

from __future__ import annotations

import math
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError, SourceError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.frames import MAX_FRAME_SIDE
from hpe_edge.sources.capture.pipe import open_pipe
from hpe_edge.sources.capture.shape import Shape
from hpe_edge.sources.frame import DEFAULT_FPS, Frame, Kind

PixelFormat = Literal["bgr24", "rgb24", "gray8", "nv12"]  # FFmpeg's names, but for its gray
PIXEL_FORMATS: tuple[PixelFormat, ...] = ("bgr24", "rgb24", "gray8", "nv12")
_SLOW, _SLOW_S = 1.2, 2.0  # of the time by the frame rate, and seconds beyond it, that are no accident


@dataclass(frozen=True)
class RawFormat:
    """Format of raw frames.

    Attributes:
        width, height: in pixels.
        fps: frames per second, for the times of frames.
        pixels: the layout of a frame; rows follow each other without gaps.
    """

    width: int
    height: int
    fps: float = DEFAULT_FPS
    pixels: PixelFormat = "bgr24"

    def __post_init__(self) -> None:
        if self.pixels not in PIXEL_FORMATS:
            raise InputError(f"the pixel format must be one of {' '.join(PIXEL_FORMATS)}, got {self.pixels!r}")
        if not (0 < self.width <= MAX_FRAME_SIDE and 0 < self.height <= MAX_FRAME_SIDE):
            raise InputError(f"raw frames must be 1 to {MAX_FRAME_SIDE} pixels a side, got {self.width}x{self.height}")
        if not 0 < self.fps < 1000:
            raise InputError(f"the frame rate must be above 0 and below 1000, got {self.fps}")
        if self.pixels == "nv12" and (self.width % 2 or self.height % 2):
            raise InputError(f"nv12 needs an even width and height, got {self.width}x{self.height}")

    @classmethod
    def parse(cls, text: str, pixels: PixelFormat) -> RawFormat:
        """Parse ``WxH`` or ``WxH@FPS``.

        Raises:
            InputError: another text, or numbers out of range.
        """
        match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})(?:@([0-9]{1,4}(?:\.[0-9]{1,6})?))?", text, re.ASCII)
        if match is None:
            raise InputError(f"raw frames are described as WxH or WxH@FPS, such as 1280x720@30, got {text!r}")
        width, height, fps = match.groups()
        return cls(int(width), int(height), float(fps) if fps else DEFAULT_FPS, pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array with a frame's bytes."""
        if self.pixels == "nv12":
            return self.height * 3 // 2, self.width
        return (self.height, self.width) if self.pixels == "gray8" else (self.height, self.width, 3)


class RawFrames:
    """Frames from a pipe. Implements :class:`hpe_edge.sources.frame.Source`.

    Unless it is live, no frame is dropped, the writer of the pipe waits, and times follow from the frame rate. A live
    source never lets the writer wait: the newest frame is used, and times are those of arrival.
    """

    kind: Kind = "video"
    name = "standard input"
    count: int | None = None

    def __init__(self, format: RawFormat, descriptor: int | None = None, *, live: bool = False) -> None:
        """
        Args:
            format: of the frames.
            descriptor: file descriptor to read; None takes standard input.
            live: a camera writes the frames, in real time.

        Raises:
            SourceError: standard input is closed.
        """
        if descriptor is None and sys.stdin is None:
            raise SourceError("standard input is closed; pipe raw frames into it")
        self._pipe = open_pipe(sys.stdin.fileno() if descriptor is None else descriptor)
        self._format = format
        self.fps, self.live = format.fps, live
        self._waited_s = 0.0  # for the writer
        self.notes: list[str] = []
        self.shape = Shape()
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames until the pipe ends; a note reports an incomplete last frame.

        Raises:
            SourceError: there is no complete frame, or the pipe cannot be read.
        """
        index, started_s, started_utc_s = 0, 0.0, 0.0
        while True:
            data = np.empty(self._format.shape, np.uint8)
            got = self._fill(data)
            if got < data.nbytes:
                break
            now_s = time.monotonic()
            if index == 0:
                started_s, started_utc_s, self._waited_s = now_s, time.time(), 0.0
            time_s = now_s - started_s if self.live else index / self.fps
            utc_s = started_utc_s + time_s if self.live else math.nan
            yield Frame(self.name, index, time_s, self.shape(self._bgr(data)), utc_s)
            index += 1
        self._note_slow_writer(time.monotonic() - started_s, index / self.fps)
        if self._closed.is_set():
            return
        wanted = f"{data.nbytes} bytes ({self._format.width}x{self._format.height} {self._format.pixels})"
        if index == 0:
            raise SourceError(f"standard input ended after {got} bytes, before the first frame of {wanted}")
        if got:
            self.notes.append(
                f"standard input ended {got} bytes into a frame of {wanted}; are size and pixel format right?"
            )

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`."""
        self._closed.set()

    def _note_slow_writer(self, passed_s: float, counted_s: float) -> None:
        """Note that frames came more slowly than their rate says, though nobody held the writer up."""
        late = not self.live and passed_s > _SLOW * counted_s + _SLOW_S
        if late and self._waited_s > passed_s / 2:
            self.notes.append(
                f"standard input brought {counted_s:.1f} s of frames at {self.fps:g} per second in {passed_s:.1f} s; "
                "if a camera writes them, --live gives them the times of their arrival"
            )

    def _fill(self, data: NDArray[np.uint8]) -> int:
        """Fill the array; return the number of bytes read."""
        room, got = data.data.cast("B"), 0
        while got < len(room) and not self._closed.is_set():
            before_s = time.monotonic()
            try:
                more = self._pipe.read_into(room[got:])
            except OSError as error:
                raise SourceError(f"cannot read standard input: {error.strerror}") from None
            self._waited_s += time.monotonic() - before_s
            if more is None:
                continue
            if more == 0:
                break
            got += more
        return got

    def _bgr(self, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._format.pixels == "bgr24":
            return data
        codes = {"rgb24": cv2.COLOR_RGB2BGR, "gray8": cv2.COLOR_GRAY2BGR, "nv12": cv2.COLOR_YUV2BGR_NV12}
        return np.asarray(cv2.cvtColor(data, codes[self._format.pixels]), np.uint8)
