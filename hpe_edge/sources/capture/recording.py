"""Frames of captures: reading past what cannot be decoded, and the positions and times of recordings."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.opencv.lazy import cv2
from hpe_edge.sources.capture.timeline import Timeline
from hpe_edge.sources.frame import Frame, checked_sides
from hpe_edge.util.console import counted

_MOST_LOST = 250  # in a row, ten seconds; at the end of a file failing reads take microseconds


_COUNTED = frozenset({".3gp", ".avi", ".gif", ".m4v", ".mov", ".mp4"})  # containers that hold the number of frames
_INDEXED = _COUNTED | {".mkv", ".webm"}  # and those whose times are edited as a whole, so that pauses are real


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

    def __init__(
        self,
        name: str,
        frame_name: str,
        capture: Capture,
        fps: float,
        count: int | None,
        notes: list[str] | None = None,
    ) -> None:
        """
        Args:
            name: for messages; its extension is the container's.
            frame_name: the name of its frames.
            capture: to read from, open.
            fps: frames per second.
            count: number of frames in its header.
            notes: gets a note when the container's clock first steps.
        """
        self._name, self._frame_name, self._capture = name, frame_name, capture
        self._fps, self._count = fps, count
        self._notes = [] if notes is None else notes
        self._timeline = Timeline(fps, indexed=PurePath(name).suffix.lower() in _INDEXED)
        self._raw_s = math.nan
        self._ahead: tuple[NDArray[np.uint8], int, float] | None = None  # read to place the frame before it
        self._index, self._time_s, self._decoded = -1, 0.0, 0
        self._stepped = False
        self._lost = 0  # failed reads whose gap has not appeared yet
        self._sure = -1, -1 / fps  # last position without such reads before it, and its time

    def read(self, give_up: Callable[[], bool] = lambda: False) -> Frame | None:
        """Read the next decodable frame, None at the end; see :func:`read_on`."""
        read, self._ahead = self._ahead or self._read(give_up), None
        if read is None:
            return None
        image, lost, raw_s = read
        self._decoded += 1
        self._lost += lost
        if self._timeline.unusual(raw_s):
            self._ahead = self._read(give_up)
        follows = self._index + 1
        # Some containers have no times; then the frame rate is the best estimate.
        timeless = raw_s == self._raw_s
        time_s = self._timeline.place(raw_s, self._ahead and self._ahead[2], self._lost)
        if timeless:
            self._index = follows + self._lost
        else:
            index, at_s = self._sure
            by_time = index + round((time_s - at_s) * self._fps)
            self._index = max(follows, min(by_time, follows + self._lost + 1)) if self._lost else follows
        self._raw_s, self._time_s = raw_s, time_s
        self._lost = max(0, self._lost - (self._index - follows))
        if self._lost == 0:
            self._sure = self._index, time_s
        if self._timeline.steps == 1 and not self._stepped:
            self._stepped = True
            self._notes.append(self._first_step())
        return Frame(self._frame_name, self._index, self._time_s, image)

    def _read(self, give_up: Callable[[], bool]) -> tuple[NDArray[np.uint8], int, float] | None:
        """Return a frame, the number of failed reads before it and its time in the container."""
        most = _MOST_LOST
        if self._count is not None:
            most = max(1, min(most, self._count - 1 - self._index - self._lost))
        image, lost = read_on(self._name, self._capture, most, give_up)
        if image is None:
            return None
        return image, lost, float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000

    def _first_step(self) -> str:
        assert self._timeline.first_step is not None
        before_s, after_s, time_s = self._timeline.first_step
        return (
            f"the clock of {self._name} steps from {before_s:.3f} s to {after_s:.3f} s at frame {self._index}, as "
            f"where recordings were joined; times go on from there, at {time_s:.3f} s"
        )

    @property
    def clock_steps(self) -> int:
        """Number of steps of the container's clock so far."""
        return self._timeline.steps

    def left_out(self) -> list[str]:
        """Return notes on the frames skipped and the steps of the clock so far; empty if there are none."""
        more = self._timeline.steps - 1
        steps = [f"the clock of {self._name} steps {more} more times"] if more > 1 else []
        if more == 1:
            steps = [f"the clock of {self._name} steps once more"]
        return left_out_notes(self._name, self._index + 1 - self._decoded) + steps

    def cut_short(self, tolerance: int = 1, why: str = "it may be damaged or") -> list[str]:
        """Return, at the end, a note if more frames were announced.

        Containers such as WebM and MPEG-TS announce no number of frames: OpenCV makes one of the duration, and it is
        wrong if the frame rate varies. So there the time of the last frame counts.

        Args:
            tolerance: allowed error of the announced count in frames.
            why: possible reasons, in front of "cut short".
        """
        if self._count is None or self._index + 1 >= self._count - tolerance:
            return []
        counted_in_header = PurePath(self._name).suffix.lower() in _COUNTED
        if not counted_in_header and round(self._time_s * self._fps) + 1 >= self._count - tolerance:
            return []
        return [f"{self._name} announces {self._count} frames, only {self._decoded} can be decoded; {why} cut short"]
