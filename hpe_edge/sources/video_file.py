"""Video file as a source, without sound.

Frames are turned upright by the rotation tag (OpenCV's default), so boxes and results are in upright pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError
from hpe_edge.sources.frame import DEFAULT_FPS, Frame, Kind, checked_sides, opencv_path
from hpe_edge.util.console import counted

# By extension, not by trial: FFmpeg decodes even text files, as ANSI art.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm"}
    | {".wmv"}
)
_MOST_LOST = 250  # in a row, ten seconds; at the end of a file failing reads take microseconds


class Capture(Protocol):
    """The used part of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool: ...
    def read(self) -> tuple[bool, Any]: ...
    def get(self, property_id: int, /) -> float: ...
    def release(self) -> None: ...


def read_on(
    name: str, capture: Capture, most: int, give_up: Callable[[], bool] = lambda: False
) -> tuple[NDArray[np.uint8] | None, int]:
    """Read the next decodable frame: for each other one, OpenCV's read fails once and then continues.

    Args:
        name: for messages.
        capture: to read from.
        most: number of consecutive failures that mean the end.
        give_up: called after each failure; true means the end.

    Returns:
        The frame ``[H, W, 3]``, None at the end; and the number of failed reads before it.

    Raises:
        SourceError: the frame is too large.
    """
    for lost in range(most):
        found, image = capture.read()
        if found:
            return checked_sides(name, image), lost
        if give_up():
            break
    return None, 0


def left_out_notes(name: str, count: int) -> list[str]:
    """Return a note on frames that :func:`read_on` skipped; empty if there were none."""
    frames = counted(count, f"frame of {name}", f"frames of {name}")
    return [f"{frames} could not be decoded and {'was' if count == 1 else 'were'} skipped"] if count else []


class Recording:
    """Frames of a capture that has an end, each with its position; undecodable ones are skipped.

    A decoder outputs frames with a delay, so reads fail before the gap appears, and only timestamps show the gap:
    positions follow the timestamps as far as earlier failed reads explain them. A gap may be one frame longer than the
    number of failed reads.
    """

    def __init__(self, name: str, frame_name: str, capture: Capture, fps: float, count: int | None) -> None:
        """
        Args:
            name: for messages.
            frame_name: the name of its frames.
            capture: to read from, open.
            fps: frames per second.
            count: number of frames in its header.
        """
        self._name, self._frame_name, self._capture = name, frame_name, capture
        self._fps, self._count = fps, count
        self._index, self._time_s, self._decoded = -1, 0.0, 0
        self._lost = 0  # failed reads whose gap has not appeared yet
        self._sure = -1, -1 / fps  # last position without such reads before it, and its time

    def read(self, give_up: Callable[[], bool] = lambda: False) -> Frame | None:
        """Read the next decodable frame, None at the end; see :func:`read_on`."""
        most = _MOST_LOST
        if self._count is not None:
            most = max(1, min(most, self._count - 1 - self._index - self._lost))
        image, lost = read_on(self._name, self._capture, most, give_up)
        if image is None:
            return None
        self._decoded += 1
        self._lost += lost
        time_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        follows = self._index + 1
        # Some containers have no times; then the frame rate is the best estimate.
        if time_s > 0 or follows == 0:
            index, at_s = self._sure
            by_time = index + round((time_s - at_s) * self._fps)
            self._index = max(follows, min(by_time, follows + self._lost + 1)) if self._lost else follows
            self._time_s = max(time_s, self._time_s)
        else:
            self._index = follows + self._lost
            self._time_s = self._index / self._fps
        self._lost = max(0, self._lost - (self._index - follows))
        if self._lost == 0:
            self._sure = self._index, time_s
        return Frame(self._frame_name, self._index, self._time_s, image)

    def left_out(self) -> list[str]:
        """Return a note on the frames skipped so far; empty if there are none."""
        return left_out_notes(self._name, self._index + 1 - self._decoded)

    def cut_short(self, tolerance: int = 1, why: str = "it may be damaged or") -> list[str]:
        """Return, at the end, a note if more frames were announced.

        Args:
            tolerance: allowed error of the announced count in frames.
            why: possible reasons, in front of "cut short".
        """
        if self._count is None or self._index + 1 >= self._count - tolerance:
            return []
        return [f"{self._name} announces {self._count} frames, only {self._decoded} can be decoded; {why} cut short"]


class Video:
    """Video file. Implements :class:`hpe_edge.sources.frame.Source`."""

    kind: Kind = "video"
    live = False

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first frame, so that a damaged file is detected at once.

        Raises:
            SourceError: OpenCV cannot open it or decodes no frame, or the frames are too large.
            InputError: the name is not UTF-8.
        """
        self.name = str(path)
        self.notes: list[str] = []
        self._is_gif = path.suffix.lower() == ".gif"
        self._capture = cv2.VideoCapture(opencv_path(path))
        if not self._capture.isOpened():
            raise SourceError(
                f"{path} cannot be opened as a video: damaged, cut short, or of another format; re-encode it, "
                "for example with ffmpeg -i IN OUT.mp4"
            )
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count: int | None = round(count) if count >= 1 else None
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps
        if not 0 < fps < 1000:  # some containers give 0, NaN or their clock's rate
            self.fps = DEFAULT_FPS
            self.notes.append(f"{path} has no frame rate; assuming {DEFAULT_FPS:.0f} per second")
        self._recording = Recording(self.name, path.name, self._capture, self.fps, self.count)
        first = self._recording.read()
        if first is None:
            raise SourceError(f"{path} has no frame that can be decoded: damaged, or a codec that OpenCV lacks")
        self._first = first

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; notes report undecodable and missing ones.

        Raises:
            SourceError: the frames become too large.
        """
        frame: Frame | None = self._first
        try:
            while frame is not None:
                yield frame
                frame = self._recording.read()
        finally:
            self._capture.release()
            self.notes += self._recording.left_out()
        if self._is_gif:  # without durations, FFmpeg decodes the first frame only
            self.notes += self._recording.cut_short(tolerance=0, why="its frames may have no duration, or it is")
        else:
            self.notes += self._recording.cut_short()

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`; nothing to do for a file."""
