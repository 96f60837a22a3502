"""Annotated frames as a video file."""

from __future__ import annotations

import contextlib
import math
import shutil
from pathlib import Path

import numpy as np

from hpe_edge.errors import OutputError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.sinks.sink import Image
from hpe_edge.sources.frame import opencv_path
from hpe_edge.util.atomic import Pending
from hpe_edge.util.console import counted, without_stderr_lines

# MPEG-4 part 2 is the one codec that every build of OpenCV can write into .mp4 and .mkv; browsers play VP9 and not it.
_MPEG4, _VP9 = "mp4v", "VP90"
_FOURCC = {".mp4": _MPEG4, ".mkv": _MPEG4, ".webm": _VP9}
VIDEO_OUTPUT_SUFFIXES = tuple(_FOURCC)
_TAG_WARNING = b"OpenCV: FFMPEG: tag"  # printed for every codec in .webm, which has no tags
_LONGEST_GAP_S = 1.0


class VideoFile:
    """An annotated video at the source's frame rate, without sound. Implements
    :class:`hpe_edge.sinks.sink.PictureSink`.

    The codec needs even sides: of an odd one, OpenCV drops the last row or column. All frames of a file have the size
    of the first; a later frame of another size is scaled to fit and padded with black, and a note reports it.

    An .mp4 has its index at the end and cannot be played unless it is closed: after SIGKILL or a power failure it is
    lost. An .mkv or .webm can be played as far as it was written.

    OpenCV's writer reports no errors, not even a full disk. So free space is checked before each frame, and at the end
    the file is opened again: its number of frames must match and its last frame must decode.
    """

    def __init__(self, path: Path, fps: float, *, keep_time: bool = False, shorten_gaps: bool = True) -> None:
        """
        Args:
            path: of the output.
            fps: frames per second.
            keep_time: repeat or drop frames to keep their times, for a live source whose frame rate is not the
                announced one, or a file whose rate varies.
            shorten_gaps: of more than a second to a second, for a live source that was away.

        Raises:
            InputError: a name that OpenCV cannot open.
            OutputError: the output cannot be written.
        """
        opencv_path(path.resolve())  # raises before there is anything to clean up
        self._path = path
        self._fourcc = _FOURCC[path.suffix.lower()]
        self.pending: Pending | None = Pending(path)
        self._temp = self.pending.temp
        self.notes: list[str] = []
        self._fps = fps
        self._keep_time = keep_time
        self._shorten_gaps = shorten_gaps
        self._behind_s = 0.0  # total shortening of gaps, and the first frame's time
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)
        self._last: Image = np.zeros((0, 0, 3), np.uint8)
        self._frames = 0

    def write_picture(self, result: Result, drawn: Image) -> None:
        """See :class:`hpe_edge.sinks.sink.PictureSink`."""
        if self._writer is None:
            self._size_wh = (drawn.shape[1], drawn.shape[0])
            self._writer = self._open()
            self._behind_s = 0.0 if self._shorten_gaps else result.frame.time_s
        if shutil.disk_usage(self._temp.parent).free < drawn.nbytes:  # far more than a compressed frame
            raise OutputError(
                f"cannot write {self._path}: the disk is full after {counted(self._frames, 'frame')}; make room"
            )
        if (drawn.shape[1], drawn.shape[0]) != self._size_wh:
            drawn = self._made_to_fit(drawn)
        due = self._due(result.frame.time_s) if self._keep_time else 1
        for number in range(due):
            # A file's frame stays until the next one's time; a live source was away, and shows what it has.
            held = drawn if self._shorten_gaps or number == due - 1 else self._last
            self._writer.write(held)
            self._frames += 1
        self._last = drawn

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self.abort()
        if self._frames and not _video_is_complete(self._temp, self._frames):
            raise OutputError(
                f"cannot write {self._path}: only a part of {counted(self._frames, 'frame')} arrived in the file; "
                "the disk, a quota or a file-size limit is probably exhausted"
            )
        if self._frames and self._fourcc == _MPEG4:
            self.notes.append(
                f"{self._path} is MPEG-4 part 2: VLC, mpv and ffplay play it, browsers do not; for those name it .webm"
            )

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        if self._writer is not None:
            self._writer.release()

    def _due(self, time_s: float) -> int:
        """Return the number of frames to write up to this time."""
        missing = math.floor((time_s - self._behind_s) * self._fps + 0.5) + 1 - self._frames
        most = max(1, round(_LONGEST_GAP_S * self._fps))
        if missing > most and self._shorten_gaps:
            self._behind_s += (missing - most) / self._fps
            return most
        return max(0, missing)

    def _made_to_fit(self, image: Image) -> Image:
        width, height = self._size_wh
        given_height, given_width = image.shape[:2]
        if not self.notes:
            self.notes.append(
                f"the frames become {given_width} x {given_height} pixels; in {self._path} they are made to fit the "
                f"{width} x {height} of the first, and boxes stay in pixels of each frame"
            )
        scale = min(width / given_width, height / given_height)
        inner = max(1, round(given_width * scale)), max(1, round(given_height * scale))
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        fitted = np.zeros((height, width, 3), np.uint8)
        fitted[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
        return fitted

    def _open(self) -> cv2.VideoWriter:
        name, fourcc = str(self._temp), cv2.VideoWriter.fourcc(*self._fourcc)
        # MPEG-4 stores the time base in 16 bits, too few for rates such as 120.123.
        for fps in (self._fps, round(self._fps, 2), math.ceil(self._fps)):
            with without_stderr_lines(_TAG_WARNING) if self._fourcc == _VP9 else contextlib.nullcontext():
                writer = cv2.VideoWriter(name, fourcc, fps, self._size_wh)
            if writer.isOpened():
                return writer
        instead = "use .mp4, " if self._fourcc == _VP9 else "use "
        raise OutputError(
            f"OpenCV {cv2.__version__} cannot write {self._path} ({self._fourcc}, {self._size_wh[0]} x "
            f"{self._size_wh[1]} at {self._fps:g} frames per second); {instead}--csv or --jsonl, or an opencv-python "
            "wheel, which has FFmpeg"
        )


def _video_is_complete(path: Path, frames: int) -> bool:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened() or round(capture.get(cv2.CAP_PROP_FRAME_COUNT)) != frames:
            return False
        capture.set(cv2.CAP_PROP_POS_FRAMES, frames - 1)
        return bool(capture.grab())
    finally:
        capture.release()
