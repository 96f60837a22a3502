"""Annotated pictures as files, and the choice of the sink that fits a source."""

from __future__ import annotations

from pathlib import Path

from hpe_edge.errors import InputError, OutputError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.sinks.annotated_video import VIDEO_OUTPUT_SUFFIXES, VideoFile
from hpe_edge.sinks.sink import Image, PictureSink
from hpe_edge.sources.capture.rate import rate_of
from hpe_edge.sources.frame import Source
from hpe_edge.sources.images import PICTURE_SUFFIXES
from hpe_edge.util.atomic import Pending, output_error

# A subset of those that can be read; pictures of the others become JPEGs.
PICTURE_OUTPUT_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def open_picture_sink(path: Path, source: Source, *, as_folder: bool = False) -> PictureSink:
    """Open the sink for annotated pictures that fits the source: picture, folder or video.

    Args:
        path: of the output.
        source: of the pictures.
        as_folder: the output of a single picture is a new folder; one that exists is taken as such anyway.

    Raises:
        InputError: the name does not fit the source.
        OutputError: the output cannot be written.
    """
    suffix = path.suffix.lower()
    if source.kind == "folder":
        if path.is_file() or suffix in PICTURE_SUFFIXES or suffix in VIDEO_OUTPUT_SUFFIXES:
            raise InputError(f"{source.name} may hold several pictures, so the output must be a folder, got {path}")
        return PictureFolder(path)
    if source.kind == "picture":
        if as_folder or path.is_dir():
            return PictureFolder(path)
        check_picture_suffix(path)
        return PictureFile(path)
    if suffix not in VIDEO_OUTPUT_SUFFIXES:
        raise InputError(f"an annotated video needs the extension {' or '.join(VIDEO_OUTPUT_SUFFIXES)}, got {path}")
    rate = rate_of(source)
    if rate.by_time and not source.live:
        source.notes.append(
            f"the frame rate of {source.name} varies; {path} has {rate.fps:g} frames per second, and repeats frames to "
            "keep their times"
        )
    return VideoFile(path, rate.fps, keep_time=rate.by_time, shorten_gaps=source.live)


def check_picture_suffix(path: Path) -> None:
    """Check that an annotated picture can have this name.

    Raises:
        InputError: it cannot.
    """
    if path.suffix.lower() not in PICTURE_OUTPUT_SUFFIXES:
        raise InputError(f"an annotated picture needs one of {' '.join(PICTURE_OUTPUT_SUFFIXES)}, got {path}")


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
    """A folder of annotated pictures, in subfolders and with names as the originals.

    Those in a format that OpenCV does not write become JPEGs and get .jpg after their name. Implements
    :class:`hpe_edge.sinks.sink.PictureSink`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pending: Pending | None = Pending(path, folder=True)
        self._temp = self.pending.temp
        self.notes: list[str] = []

    def write_picture(self, result: Result, drawn: Image) -> None:
        """See :class:`hpe_edge.sinks.sink.PictureSink`."""
        name = result.frame.name
        if Path(name).suffix.lower() not in PICTURE_OUTPUT_SUFFIXES:
            name = f"{name}.jpg"
            if not self.notes:
                self.notes.append(f"{result.frame.name} and others of its format are written as JPEG, as {name}")
        to = self._temp / name
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self._path / name, error) from None
        save_picture(to, drawn, self._path / name)

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
