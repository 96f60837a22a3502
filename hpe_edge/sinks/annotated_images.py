"""Annotated pictures as files, and the choice of the sink that fits a source."""

from __future__ import annotations

from pathlib import Path

import cv2

from hpe_edge.errors import InputError, OutputError
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.sinks.annotated_video import VIDEO_OUTPUT_SUFFIXES, VideoFile
from hpe_edge.sinks.sink import Image, PictureSink
from hpe_edge.sources.frame import Source
from hpe_edge.sources.images import PICTURE_SUFFIXES
from hpe_edge.util.atomic import Pending, output_error


def open_picture_sink(path: Path, source: Source) -> PictureSink:
    """Open the sink for annotated pictures that fits the source: picture, folder or video.

    Raises:
        InputError: the name does not fit the source.
        OutputError: the output cannot be written.
    """
    suffix = path.suffix.lower()
    if source.kind == "folder":
        if path.is_file() or suffix in PICTURE_SUFFIXES or suffix in VIDEO_OUTPUT_SUFFIXES:
            raise InputError(f"{source.name} is a folder, so the output must be a folder as well, got {path}")
        return PictureFolder(path)
    if source.kind == "picture":
        if suffix not in PICTURE_SUFFIXES:
            raise InputError(f"an annotated picture needs one of {' '.join(sorted(PICTURE_SUFFIXES))}, got {path}")
        return PictureFile(path)
    if suffix not in VIDEO_OUTPUT_SUFFIXES:
        raise InputError(f"an annotated video needs the extension {' or '.join(VIDEO_OUTPUT_SUFFIXES)}, got {path}")
    return VideoFile(path, source.fps, keep_time=source.live)


class PictureFile:
    """One annotated picture. Implements :class:`hpe_edge.sinks.sink.PictureSink`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pending: Pending | None = Pending(path)
        self._temp = self.pending.temp
        self.notes: list[str] = []

    def write_picture(self, result: Result, drawn: Image) -> None:
        """See :class:`hpe_edge.sinks.sink.PictureSink`."""
        save_picture(self._temp, drawn, self._path)

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""


class PictureFolder:
    """A folder of annotated pictures, named as the originals. Implements :class:`hpe_edge.sinks.sink.PictureSink`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pending: Pending | None = Pending(path, folder=True)
        self._temp = self.pending.temp
        self.notes: list[str] = []

    def write_picture(self, result: Result, drawn: Image) -> None:
        """See :class:`hpe_edge.sinks.sink.PictureSink`."""
        name = result.frame.name
        save_picture(self._temp / name, drawn, self._path / name)

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""


def save_picture(to: Path, image: Image, asked: Path) -> None:
    """Write a picture in the format of the name's extension.

    Args:
        to: the file.
        image: uint8 ``[H, W, 3]``, BGR.
        asked: final name, for messages.

    Raises:
        OutputError: OpenCV does not know the extension, or the file cannot be written.
    """
    # Encoded in memory, because cv2.imwrite does not notice a full disk.
    done, data = cv2.imencode(to.suffix.lower(), image)
    if not done:
        raise OutputError(f"OpenCV cannot encode {asked} as {to.suffix}; choose another extension, such as .png")
    try:
        to.write_bytes(data.tobytes())
    except OSError as error:
        raise output_error(asked, error) from None
