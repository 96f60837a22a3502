"""Frames, the protocol of their sources, and playback of a file in real time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError, SourceError
from hpe_edge.ops.frames import MAX_FRAME_SIDE

DEFAULT_FPS = 25.0  # if the rate is unknown
_LONGEST_WAIT_S = 1.0  # at jumps of the times

Kind = Literal["picture", "folder", "video"]


@dataclass(frozen=True)
class Frame:
    """Picture, or frame of a video.

    Attributes:
        name: file name of the picture or of the video; the source's name for a camera or stream.
        index: position in the source, from 0.
        time_s: presentation time in seconds from the video's start, or since a camera's first frame; NaN for pictures.
        image: uint8 ``[H, W, 3]``, BGR, in memory that no later frame overwrites.
        utc_s: Unix time of a live source's frame: ``time_s`` after the clock time of the first; NaN for others.
    """

    name: str
    index: int
    time_s: float
    image: NDArray[np.uint8]
    utc_s: float = math.nan


class Source(Protocol):
    """Sequence of frames, readable once.

    Attributes:
        kind: of the source; cameras, streams and raw frames are videos as well.
        name: as given, without a URL's password; for messages.
        live: frames arrive in real time, and unread ones are dropped. Otherwise none is dropped.
        count: expected number of frames; None if unknown.
        fps: frames per second of a video; NaN for pictures.
        notes: messages for the user; grows while frames are read.
    """

    kind: Kind
    name: str
    live: bool
    count: int | None
    fps: float
    notes: list[str]

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; SourceError if there is none."""

    def close(self) -> None:
        """Stop reading. May be called twice, from any thread, also while another one waits for a frame."""


def checked_sides(name: str, image: NDArray[Any]) -> NDArray[np.uint8]:
    """Check that an image ``[H, W, 3]`` is not too large to process, and return it.

    Raises:
        SourceError: it is too large.
    """
    height, width = image.shape[:2]
    if max(height, width) > MAX_FRAME_SIDE:
        raise SourceError(f"{name} has {width} x {height} pixels, but at most {MAX_FRAME_SIDE} a side are supported")
    return np.asarray(image, np.uint8)


def opencv_path(path: Path) -> str:
    """Return a path as OpenCV takes it.

    Raises:
        InputError: it is not UTF-8, which crashes OpenCV.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"OpenCV cannot open the video {str(path)!r}, whose name is not UTF-8; rename it") from None
    return str(path)


class Realtime:
    """Video file played in real time, by the times of its frames. Implements :class:`Source`.

    It is live: where processing is slower than the frame rate, only the newest frame is used.
    """

    live = True

    def __init__(self, source: Source) -> None:
        """
        Args:
            source: a video that is not live.
        """
        self._source = source
        self.kind: Kind = source.kind
        self.name, self.count, self.fps, self.notes = source.name, source.count, source.fps, source.notes
        self.shape = getattr(source, "shape", None)
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame at its time since the first."""
        behind_s = time.monotonic()  # start of the video on this clock
        for frame in self._source:
            early_s = behind_s + frame.time_s - time.monotonic()
            if early_s > _LONGEST_WAIT_S:
                behind_s -= early_s - _LONGEST_WAIT_S
                early_s = _LONGEST_WAIT_S
            if early_s > 0 and self._closed.wait(early_s):
                return
            yield frame

    def close(self) -> None:
        """See :class:`Source`."""
        self._closed.set()
        self._source.close()
