"""What frames are read from: a picture, a folder of pictures, or a video file.

Pictures are turned upright by their EXIF orientation and videos by their rotation tag (OpenCV's defaults), so boxes and
results are in upright pixels. Sound is not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.console import counted
from hpe_edge.errors import InputError, SourceError
from hpe_edge.ops import MAX_FRAME_SIDE

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# By extension and not by trial: FFmpeg happily "decodes" a text file as ANSI art.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm"}
    | {".wmv"}
)
DEFAULT_FPS = 25.0  # where the file does not say


@dataclass(frozen=True)
class Frame:
    """One picture or one frame of a video.

    Attributes:
        name: file name of the picture or of the video.
        index: position in the source, from 0.
        time_s: presentation time in seconds from the video's start; NaN for pictures.
        image: uint8 ``[H, W, 3]``, BGR.
    """

    name: str
    index: int
    time_s: float
    image: NDArray[np.uint8]


class Source(Protocol):
    """Frames in order, to be read once.

    Attributes:
        kind: what was opened.
        path: as it was given.
        count: how many frames are expected; None where the container does not say.
        fps: frames per second of a video; NaN for pictures.
        notes: what the user should know; grows while frames are read.
    """

    kind: Literal["picture", "folder", "video"]
    path: Path
    count: int | None
    fps: float
    notes: list[str]

    def __iter__(self) -> Iterator[Frame]:
        """The frames; SourceError where there is not a single one."""


def open_source(path: Path) -> Source:
    """Open a picture, a folder of pictures or a video file.

    Raises:
        SourceError: it is missing, of an unknown kind, empty or damaged; the message says which.
    """
    if path.is_dir():
        return Pictures.of_folder(path)
    if not path.exists():
        raise SourceError(f"there is no {path}; name a picture, a folder of pictures or a video file")
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)")
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return Pictures("picture", path, [path])
    if suffix in VIDEO_SUFFIXES:
        return Video(path)
    raise SourceError(
        f"{path} is neither a picture ({_listed(PICTURE_SUFFIXES)}) nor a video ({_listed(VIDEO_SUFFIXES)}) by its name"
    )


class Pictures:
    """One picture, or those of a folder. Implements :class:`Source`."""

    def __init__(self, kind: Literal["picture", "folder"], path: Path, files: list[Path]) -> None:
        self.kind: Literal["picture", "folder", "video"] = kind
        self.path = path
        self.files = files
        self.count: int | None = len(files)
        self.fps = math.nan
        self.notes: list[str] = []

    @classmethod
    def of_folder(cls, path: Path) -> Pictures:
        """The pictures of a folder in the order of their names; other entries are skipped and counted.

        Raises:
            SourceError: the folder cannot be read or holds no picture.
        """
        try:
            entries = sorted(path.iterdir())
        except OSError as error:
            raise SourceError(f"cannot read the folder {path}: {error.strerror}") from None
        files = [f for f in entries if f.suffix.lower() in PICTURE_SUFFIXES and f.name[0] != "." and f.is_file()]
        if not files:
            raise SourceError(
                f"there is no picture in {path}, only {counted(len(entries), 'other entry', 'other entries')}; "
                f"pictures end in {_listed(PICTURE_SUFFIXES)}, and subfolders are not searched"
            )
        source = cls("folder", path, files)
        if len(files) < len(entries):
            one, many = f"entry of {path} is not a picture and was", f"entries of {path} are not pictures and were"
            source.notes.append(f"{counted(len(entries) - len(files), one, many)} skipped")
        return source

    def __iter__(self) -> Iterator[Frame]:
        """The pictures that can be read; the others are noted.

        Raises:
            SourceError: none can be read.
        """
        bad: list[str] = []
        for index, file in enumerate(self.files):
            try:
                image, animated = _read_picture(file)
            except SourceError as error:
                bad.append(str(error))
                if self.kind == "folder":
                    self.notes.append(f"{error}; it was skipped")
                continue
            if animated:
                self.notes.append(f"{file} is animated, and only its first frame is used; convert it to a video")
            yield Frame(file.name, index, math.nan, image)
        if len(bad) == len(self.files):
            if self.kind == "picture":
                raise SourceError(bad[0])
            raise SourceError(f"none of {counted(len(bad), 'picture')} in {self.path} can be read; the first: {bad[0]}")


class Video:
    """A video file. Implements :class:`Source`."""

    kind: Literal["picture", "folder", "video"] = "video"

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first frame, so that a damaged file is known at once.

        Raises:
            SourceError: OpenCV cannot open it or decodes no frame, or the frames are too large.
            InputError: the name is not UTF-8.
        """
        self.path = path
        self.notes: list[str] = []
        self._capture = cv2.VideoCapture(opencv_path(path))
        if not self._capture.isOpened():
            raise SourceError(f"{path} cannot be opened as a video: damaged, cut short, or of another format")
        first = self._read()
        if first is None:
            raise SourceError(f"{path} has no frame that can be decoded: damaged, or a codec that OpenCV lacks")
        _check_sides(path, first)
        self._first, self._first_s = first, self._time_s()
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count: int | None = round(count) if count >= 1 else None
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps
        if not 0 < fps < 1000:  # some containers say 0, NaN or their clock's rate
            self.fps = DEFAULT_FPS
            self.notes.append(f"{path} does not say its frame rate; taking {DEFAULT_FPS:.0f} per second")

    def __iter__(self) -> Iterator[Frame]:
        """The frames. Where there are fewer than the container announces, a note says so."""
        yield Frame(self.path.name, 0, self._first_s, self._first)
        index, time_s = 0, self._first_s
        while (image := self._read()) is not None:
            index += 1
            # Not every container carries times; then the frame rate is the best guess.
            said_s = self._time_s()
            time_s = max(said_s, time_s) if said_s > 0 else index / self.fps
            yield Frame(self.path.name, index, time_s, image)
        self._capture.release()
        # The announced count may be off by one. Of a GIF whose frames have no duration, FFmpeg gives only the first.
        gif = self.path.suffix.lower() == ".gif"
        if self.count is not None and index + 1 < self.count - (not gif):
            why = "its frames may have no duration, or it is" if gif else "it may be"
            self.notes.append(
                f"{self.path} announces {self.count} frames, only {index + 1} can be decoded; {why} cut short"
            )

    def _read(self) -> NDArray[np.uint8] | None:
        found, image = self._capture.read()
        return np.asarray(image, np.uint8) if found else None

    def _time_s(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000


def opencv_path(path: Path) -> str:
    """A path as OpenCV takes it.

    Raises:
        InputError: it is not UTF-8, which crashes OpenCV.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"OpenCV cannot open the video {str(path)!r}, whose name is not UTF-8; rename it") from None
    return str(path)


def _read_picture(file: Path) -> tuple[NDArray[np.uint8], bool]:
    """The picture, and whether it is the first of an animation."""
    try:
        data = file.read_bytes()
        # Read here and not by cv2.imread, which cannot open every name.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # unreadable, empty, or more pixels than OpenCV takes
        image = None
    if image is None:
        raise SourceError(
            f"{file} cannot be read: damaged, of another format than the name says, or larger or of another pixel type "
            "than OpenCV reads; convert it to an 8-bit PNG or JPEG"
        )
    _check_sides(file, image)
    # WebP's extended header: its flags follow 8 bytes of RIFF, 8 of WEBPVP8X and 4 of size; bit 1 is for animation.
    return np.asarray(image, np.uint8), data[8:16] == b"WEBPVP8X" and bool(data[20] & 2)


def _check_sides(path: Path, image: NDArray[Any]) -> None:
    height, width = image.shape[:2]
    if max(height, width) > MAX_FRAME_SIDE:
        raise SourceError(f"{path} has {width} x {height} pixels, but at most {MAX_FRAME_SIDE} a side can be worked on")


def _listed(suffixes: frozenset[str]) -> str:
    return " ".join(sorted(suffixes))
