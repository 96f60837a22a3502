"""What comes from outside and may break off: cameras, network streams, GStreamer pipelines.

What breaks off is opened again, after pauses that double. Times are those at which frames arrived, on a clock that
nobody sets, because a device's own times start anew whenever it is opened.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.console import counted
from hpe_edge.errors import SourceError
from hpe_edge.frame import DEFAULT_FPS, Frame, Kind, checked_sides

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
GIVE_UP_S = 300.0  # longer than a network camera takes to start anew
_TIMEOUT_MS = 5000  # FFmpeg's own is 30 s, and a run that is to end would wait for it


class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool: ...
    def read(self) -> tuple[bool, Any]: ...
    def get(self, property_id: int, /) -> float: ...
    def release(self) -> None: ...


class Clock:
    """Time as it passes. Tests have one of their own that does not wait."""

    def now(self) -> float:
        """Seconds from any start, never falling."""
        return time.monotonic()

    def wait(self, seconds: float, closed: threading.Event) -> None:
        """Wait, but not after the event was set."""
        closed.wait(seconds)


class Stream:
    """A camera, stream or pipeline. Implements :class:`hpe_edge.frame.Source`.

    One that announces its length, as a video file behind an http:// address does, is no live one: no frame is left
    out, and at its end it is not opened again.
    """

    kind: Kind = "video"

    def __init__(self, name: str, open_capture: Callable[[], Capture], hint: str, clock: Clock | None = None) -> None:
        """Open it and wait for its first frame.

        Args:
            name: for messages and records.
            open_capture: opens it, each time anew.
            hint: what to do when that fails.
            clock: tells the time; None takes the real one.

        Raises:
            SourceError: it cannot be opened, gives no frame, or too large ones.
        """
        self.name = name
        self.notes: list[str] = []
        self._open_capture = open_capture
        self._clock = clock or Clock()
        self._closed = threading.Event()
        self._capture = open_capture()
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"{name} cannot be opened; {hint}")
        first = self._read()
        if first is None:
            self._capture.release()
            raise SourceError(f"{name} can be opened but gives no frame; {hint}")
        self._first = first
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count: int | None = round(count) if count >= 1 else None
        self.live = self.count is None
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else DEFAULT_FPS

    def __iter__(self) -> Iterator[Frame]:
        """The frames, until it is closed, its length is over, or it stays away for good.

        Raises:
            SourceError: the frames become too large.
        """
        started_s = self._clock.now()
        index = 0
        image: NDArray[np.uint8] | None = self._first
        try:
            while image is not None:
                arrived_s = self._clock.now() - started_s
                yield Frame(self.name, index, arrived_s if self.live else index / self.fps, image)
                index += 1
                image = None if self._closed.is_set() else self._read()
                if image is None and self.live:
                    image = self._reopened()
        finally:
            self._capture.release()

    def close(self) -> None:
        """See :class:`hpe_edge.frame.Source`. A device that hangs in a read is waited for, some seconds."""
        self._closed.set()

    def _reopened(self) -> NDArray[np.uint8] | None:
        """The first frame after a break; None when it was closed or stays away."""
        if self._closed.is_set():
            return None
        self.notes.append(f"{self.name} broke off; trying to open it again")
        lost_s, pause_s, tries = self._clock.now(), FIRST_PAUSE_S, 0
        while self._clock.now() - lost_s < GIVE_UP_S:
            self._capture.release()
            self._clock.wait(pause_s, self._closed)
            if self._closed.is_set():
                return None
            tries += 1
            self._capture = self._open_capture()
            image = self._read() if self._capture.isOpened() else None
            if image is not None:
                gone_s = self._clock.now() - lost_s
                tried = counted(tries, "try", "tries")
                self.notes.append(f"{self.name} is back after {gone_s:.1f} s and {tried}")
                return image
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self.notes.append(f"{self.name} did not come back within {GIVE_UP_S:.0f} s; that is the end")
        return None

    def _read(self) -> NDArray[np.uint8] | None:
        found, image = self._capture.read()
        return checked_sides(self.name, image) if found else None


def open_camera(device: int | str) -> Stream:
    """A camera by its number or its device file, such as /dev/video0.

    Raises:
        SourceError: there is none, or it is in use.
    """
    hint = "is it there (on Linux: ls /dev/video*), and does no other program use it?"
    return Stream(f"camera {device}", lambda: cv2.VideoCapture(device), hint)


def open_url(url: str) -> Stream:
    """A stream by its address: rtsp://, http:// and what else FFmpeg reads.

    Raises:
        SourceError: it cannot be reached or played.
    """
    settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
    return Stream(
        without_password(url),
        lambda: cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings),
        f"does a player such as ffplay or VLC show it? No answer within {_TIMEOUT_MS // 1000} s counts as none",
    )


def open_pipeline(description: str) -> Stream:
    """A GStreamer pipeline that ends in an appsink, as gst-launch-1.0 takes it.

    Raises:
        SourceError: OpenCV was built without GStreamer, or the pipeline does not play.
    """
    if not re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()):
        raise SourceError(
            f"OpenCV {cv2.__version__} was built without GStreamer, as the wheels of opencv-python are, so it cannot "
            f"play the pipeline {description!r}; install one that was built with it (JetPack's, Debian's "
            "python3-opencv), or let gst-launch-1.0 write raw frames to standard input: SOURCE - and --raw"
        )
    return Stream(
        description,
        lambda: cv2.VideoCapture(description, cv2.CAP_GSTREAMER),
        "it must end in `videoconvert ! video/x-raw,format=BGR ! appsink`; try it with gst-launch-1.0",
    )


def without_password(url: str) -> str:
    """The address as it may be shown."""
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    return url.replace(user + at, "", 1) if at else url
