"""Video file as a source, without sound.

Frames are turned upright by the rotation tag (OpenCV's default), so boxes and results are in upright pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hpe_edge.errors import SourceError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.sources.capture.joined import second_recording
from hpe_edge.sources.capture.recording import Recording
from hpe_edge.sources.capture.shape import declared
from hpe_edge.sources.frame import DEFAULT_FPS, Frame, Kind, opencv_path

# By extension, not by trial: FFmpeg decodes even text files, as ANSI art.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm"}
    | {".asf", ".dav", ".divx", ".f4v", ".m2ts", ".m2v", ".mjpg", ".mts", ".vob", ".wmv"}
    | {".264", ".265", ".h264", ".h265", ".hevc"}  # streams without a container
)


class Video:
    """Video file. Implements :class:`hpe_edge.sources.frame.Source`.

    Attributes:
        path: the file.
        shape: of its frames; may be changed before the first.
    """

    kind: Kind = "video"
    live = False

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first frame, so that a damaged file is detected at once.

        Raises:
            SourceError: OpenCV cannot open it or decodes no frame, or the frames are too large.
            InputError: the name is not UTF-8.
        """
        self.path = path
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
        self.shape = declared(self._capture)
        self._recording = Recording(self.name, path.name, self._capture, self.fps, self.count, self.notes)
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
        self.notes += self.shape.note(self.name, self._first.image)
        try:
            while frame is not None:
                yield self.shape.of(frame)
                frame = self._recording.read()
        finally:
            self._capture.release()
            self.notes += self._recording.left_out()
        if self._is_gif:  # without durations, FFmpeg decodes the first frame only
            self.notes += self._recording.cut_short(tolerance=0, why="its frames may have no duration, or it is")
        else:
            self.notes += self._recording.cut_short()
        second = None if self._recording.clock_steps else second_recording(self.path)
        if second is not None:
            self.notes.append(
                f"{self.name} holds several recordings joined by their bytes, the second from byte {second} on, and "
                "only the first can be read; join them with ffmpeg -f concat, or give them one by one"
            )

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`; nothing to do for a file."""
