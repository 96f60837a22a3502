"""Cameras, network streams and GStreamer pipelines, with automatic reconnection.

A lost connection is opened again after exponentially growing pauses, and so is a stream that is decoded slower than it
comes, to drop what waits. Frame times are arrival times on a monotonic clock, because a device's own times restart
whenever it is opened.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.sources.capture.camera_mode import CameraMode
from hpe_edge.sources.capture.lag import Lag
from hpe_edge.sources.capture.mjpeg import open_mjpeg
from hpe_edge.sources.capture.recording import Capture, Recording, left_out_notes, read_on
from hpe_edge.sources.capture.shape import declared
from hpe_edge.sources.frame import DEFAULT_FPS, Frame, Kind
from hpe_edge.util.console import counted

_CAPTURE_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_environment = threading.Lock()
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
GIVE_UP_S = 300.0  # longer than a network camera takes to restart
_TIMEOUT_MS = 5000  # FFmpeg's default is 30 s, which would delay the end of a run
# A frame that cannot be decoded is not a lost connection: failed reads are repeated for _LOST_S seconds, on a live
# source at most _MOST_LOST times. The seconds are less than any time-out, and enough for the next frame at 1 fps.
_LOST_S, _MOST_LOST = 2.0, 10
_MOST_LAG_S = 1.0
_LAG_WINDOW_S, _BURST_WINDOW_S = 3.0, 15.0  # the latter is longer than the segments of HLS
_TOO_FAST, _TOO_FAST_S = 2.0, 2.0  # see Stream._is_recording


class Clock:
    """Monotonic clock. Tests replace it with one that does not wait."""

    def now(self) -> float:
        """Return seconds from any start, never decreasing."""
        return time.monotonic()

    def wait(self, seconds: float, closed: threading.Event) -> None:
        """Wait, at most until the event is set."""
        closed.wait(seconds)


class Stream:
    """A camera, stream or pipeline. Implements :class:`hpe_edge.sources.frame.Source`.

    A source that announces its length, such as a video file behind an http:// address, is not live: no frame is
    dropped, and it is not reopened at its end. A file of unknown length is recognised when it restarts, and ends there.

    Attributes:
        shape: of its frames; may be changed before the first.
        gone: reconnecting was given up.
    """

    kind: Kind = "video"

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        hint: str,
        clock: Clock | None = None,
        *,
        open_sparing: Callable[[], Capture] | None = None,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        """Open the source and wait for its first frame.

        Args:
            name: for messages and records.
            open_capture: opens a new capture.
            hint: advice if that fails.
            clock: None for the real one.
            open_sparing: opens a capture that decodes key frames alone; None if there is no such, and a stream that is
                decoded too slowly is only reported.
            give_up_s: how long to reconnect after a lost connection; infinity for ever.

        Raises:
            SourceError: it cannot be opened, gives no frame, or too large ones.
        """
        self.name = name
        self.notes: list[str] = []
        self.gone = False
        self._open_capture, self._open_sparing, self._give_up_s = open_capture, open_sparing, give_up_s
        self._lag = Lag(_LAG_WINDOW_S if open_sparing else _BURST_WINDOW_S)
        self._slow = 0  # times that it was found to be decoded too slowly
        self._clock = clock or Clock()
        self._closed = threading.Event()
        self._capture = open_capture()
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"{name} cannot be opened; {hint}")
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count: int | None = round(count) if count >= 1 else None
        self.live = self.count is None
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else DEFAULT_FPS
        # For a live source it reads the first frame only.
        self._recording = Recording(name, name, self._capture, self.fps, self.count, self.notes)
        self.shape = declared(self._capture)
        self._lost = 0  # frames of a live source that could not be decoded
        first = self._recording.read(self._read_deadline())
        if first is None:
            self._capture.release()
            raise SourceError(f"{name} can be opened but gives no frame; {hint}")
        self._first = first

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, until the source is closed or ends, or reconnecting fails.

        Raises:
            SourceError: the frames become too large.
        """
        self.notes += self.shape.note(self.name, self._first.image)
        try:
            yield from self._live_frames() if self.live else self._recorded_frames()
        finally:
            self._capture.release()
            self.notes += left_out_notes(self.name, self._lost) if self.live else self._recording.left_out()
            skipped = getattr(self._capture, "skipped", 0)
            if skipped:
                frames = counted(skipped, f"picture of {self.name}", f"pictures of {self.name}")
                self.notes.append(f"{frames} came faster than they could be processed and were skipped undecoded")
        if not self.live and not self._closed.is_set():
            self.notes += self._recording.cut_short()

    def differs_from(self, mode: CameraMode) -> str | None:
        """See :meth:`CameraMode.differs`."""
        return mode.differs(self._capture)

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`. May wait some seconds for a device that hangs in a read."""
        self._closed.set()

    def _recorded_frames(self) -> Iterator[Frame]:
        frame: Frame | None = self._first
        while frame is not None:
            yield self.shape.of(frame)
            frame = None if self._closed.is_set() else self._recording.read(self._read_deadline())

    def _live_frames(self) -> Iterator[Frame]:
        started_s = self._opened_s = self._clock.now()
        started_utc_s = time.time()
        index = self._given = 0
        image: NDArray[np.uint8] | None = self._first.image
        while image is not None:
            time_s = self._clock.now() - started_s
            yield Frame(self.name, index, time_s, self.shape(image), started_utc_s + time_s)
            index += 1
            self._given += 1
            image = None if self._closed.is_set() else self._read_on()
            if image is not None and self._is_slow():
                image = self._caught_up(image)
            if image is None:
                image = self._reopened()

    def _is_slow(self) -> bool:
        """Return True if the stream is decoded slower than it comes; said once if nothing can be done."""
        if self._slow < 0 or _is_jpeg(self._capture):
            return False
        behind_s = self._lag(self._clock.now(), self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        if behind_s < _MOST_LAG_S:
            return False
        slow = f"{self.name} is decoded slower than it comes, and is {behind_s:.1f} s behind"
        advice = "choose a lower resolution or frame rate at the source"
        if self._open_sparing is None or self._slow > 1:
            self._slow = -1
            self.notes.append(f"{slow}; its frames are late by ever more: {advice}")
            return False
        then = (
            "it is opened again, to drop what waits" if self._slow == 0 else "from now on, only key frames are decoded"
        )
        self.notes.append(f"{slow}; {then}; {advice}")
        self._slow += 1
        return True

    def _caught_up(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Open the stream anew without what waits; return its first frame, None if that fails."""
        self._capture.release()
        assert self._open_sparing is not None
        if self._slow > 1:
            self._open_capture = self._open_sparing
        self._capture = self._open_capture()
        self._lag.reset()
        self._opened_s, self._given = self._clock.now(), 0
        return self._read_on() if self._capture.isOpened() else None

    def _reopened(self) -> NDArray[np.uint8] | None:
        """Reconnect; return the first frame, None if the source was closed or cannot be reached."""
        if self._closed.is_set():
            return None
        self.notes.append(f"{self.name}: connection lost, reconnecting")
        lost_s, pause_s, tries = self._clock.now(), FIRST_PAUSE_S, 0
        while self._clock.now() - lost_s < self._give_up_s:
            self._capture.release()
            self._clock.wait(pause_s, self._closed)
            if self._closed.is_set():
                return None
            tries += 1
            self._capture = self._open_capture()
            image = self._read_on() if self._capture.isOpened() else None
            if image is not None:
                if self._is_recording(image, lost_s):
                    self.notes.append(
                        f"{self.name} restarts from its first frame and is faster than real time: it is a file of "
                        "unknown length, and ends here; download it to read every frame"
                    )
                    return None
                self._opened_s, self._given = self._clock.now(), 0
                self._lag.reset()
                gone_s = self._clock.now() - lost_s
                tried = counted(tries, "try", "tries")
                self.notes.append(f"{self.name}: reconnected after {gone_s:.1f} s and {tried}")
                return image
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self.gone = True
        self.notes.append(f"{self.name}: no connection within {self._give_up_s:.0f} s; giving up")
        return None

    def _is_recording(self, image: NDArray[np.uint8], lost_s: float) -> bool:
        """Return True if the reconnected source is a file, which would be played for ever.

        A file's frames arrive as fast as they are decoded, and it restarts with its first frame. Neither alone is
        enough: a live stream may start with buffered frames of some seconds, not every camera reports its frame rate,
        and test patterns and dark frames are all alike.
        """
        if self._given < _TOO_FAST_S * self.fps or self._given <= _TOO_FAST * self.fps * (lost_s - self._opened_s):
            return False
        return np.array_equal(image, self._first.image)

    def _read_on(self) -> NDArray[np.uint8] | None:
        image, lost = read_on(self.name, self._capture, _MOST_LOST, self._read_deadline())
        self._lost += lost
        return image

    def _read_deadline(self) -> Callable[[], bool]:
        """Return a function that is true when failed reads should not be repeated any more."""
        begun_s = self._clock.now()
        return lambda: self._closed.is_set() or self._clock.now() - begun_s > _LOST_S


def open_camera(device: int | str, mode: CameraMode | None = None, give_up_s: float = GIVE_UP_S) -> Stream:
    """Open a camera by its number or its device file, such as /dev/video0; a note reports a mode that it refuses.

    Raises:
        SourceError: there is none, or it is in use.
    """
    hint = "is it there (on Linux: ls /dev/video*), and does no other program use it?"

    def opened() -> cv2.VideoCapture:
        capture = cv2.VideoCapture(device)
        if mode is not None and capture.isOpened():
            mode.ask(capture)
        return capture

    stream = Stream(f"camera {device}", opened, hint, give_up_s=give_up_s)
    differs = None if mode is None else stream.differs_from(mode)
    if differs is not None:
        stream.notes.append(f"camera {device} gives {differs}; v4l2-ctl --list-formats-ext shows its modes")
    return stream


def open_url(url: str, give_up_s: float = GIVE_UP_S) -> Stream:
    """Open a stream by its address: rtsp://, http:// and others that FFmpeg reads.

    Raises:
        SourceError: it cannot be reached or played.
    """
    settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]

    def opened() -> Capture:
        return open_mjpeg(url, _TIMEOUT_MS / 1000) or cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)

    def sparing() -> Capture:
        with _key_frames_only():
            return cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)

    return Stream(
        without_password(url),
        opened,
        f"does a player such as ffplay or VLC show it? No answer within {_TIMEOUT_MS // 1000} s counts as none",
        # A file behind http:// would start anew.
        open_sparing=None if urlsplit(url).scheme in ("http", "https") else sparing,
        give_up_s=give_up_s,
    )


@contextlib.contextmanager
def _key_frames_only() -> Iterator[None]:
    """Let captures that are opened in this block decode key frames alone; OpenCV takes that from the environment."""
    with _environment:
        before = os.environ.get(_CAPTURE_OPTIONS)
        os.environ[_CAPTURE_OPTIONS] = "|".join(filter(None, (before, "avdiscard;nonkey")))
        try:
            yield
        finally:
            if before is None:
                del os.environ[_CAPTURE_OPTIONS]
            else:
                os.environ[_CAPTURE_OPTIONS] = before


def _is_jpeg(capture: Capture) -> bool:
    """Return True for Motion JPEG behind an address, whose times are counted and not those of the camera."""
    return int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")


def open_pipeline(description: str, give_up_s: float = GIVE_UP_S) -> Stream:
    """Open a GStreamer pipeline, in the syntax of gst-launch-1.0, that ends in an appsink.

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
        give_up_s=give_up_s,
    )


def without_password(url: str) -> str:
    """Return the address without user and password."""
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    return url.replace(user + at, "", 1) if at else url
