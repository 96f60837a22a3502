"""A video file as a source. Sound is not read.

Frames are turned upright by the rotation tag (OpenCV's default), so boxes and results are in upright pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError
from hpe_edge.frame import DEFAULT_FPS, Frame, Kind, checked_sides, opencv_path

# By extension and not by trial: FFmpeg happily "decodes" a text file as ANSI art.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm"}
    | {".wmv"}
)


class Video:
    """A video file. Implements :class:`hpe_edge.frame.Source`."""

    kind: Kind = "video"
    live = False

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first frame, so that a damaged file is known at once.

        Raises:
            SourceError: OpenCV cannot open it or decodes no frame, or the frames are too large.
            InputError: the name is not UTF-8.
        """
        self.name = str(path)
        self.notes: list[str] = []
        self._file_name, self._is_gif = path.name, path.suffix.lower() == ".gif"
        self._capture = cv2.VideoCapture(opencv_path(path))
        if not self._capture.isOpened():
            raise SourceError(f"{path} cannot be opened as a video: damaged, cut short, or of another format")
        first = self._read()
        if first is None:
            raise SourceError(f"{path} has no frame that can be decoded: damaged, or a codec that OpenCV lacks")
        self._first, self._first_s = first, self._time_s()
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count: int | None = round(count) if count >= 1 else None
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps
        if not 0 < fps < 1000:  # some containers say 0, NaN or their clock's rate
            self.fps = DEFAULT_FPS
            self.notes.append(f"{path} does not say its frame rate; taking {DEFAULT_FPS:.0f} per second")

    def __iter__(self) -> Iterator[Frame]:
        """The frames. Where there are fewer than the container announces, a note says so.

        Raises:
            SourceError: the frames become too large.
        """
        try:
            yield Frame(self._file_name, 0, self._first_s, self._first)
            index, time_s = 0, self._first_s
            while (image := self._read()) is not None:
                index += 1
                # Not every container carries times; then the frame rate is the best guess.
                said_s = self._time_s()
                time_s = max(said_s, time_s) if said_s > 0 else index / self.fps
                yield Frame(self._file_name, index, time_s, image)
        finally:
            self._capture.release()
        # The announced count may be off by one. Of a GIF whose frames have no duration, FFmpeg gives only the first.
        if self.count is not None and index + 1 < self.count - (not self._is_gif):
            why = "its frames may have no duration, or it is" if self._is_gif else "it may be damaged or"
            self.notes.append(
                f"{self.name} announces {self.count} frames, only {index + 1} can be decoded; {why} cut short"
            )

    def close(self) -> None:
        """See :class:`hpe_edge.frame.Source`; a file keeps nobody waiting."""

    def _read(self) -> NDArray[np.uint8] | None:
        found, image = self._capture.read()
        return checked_sides(self.name, image) if found else None

    def _time_s(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
