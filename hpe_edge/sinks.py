"""Where results go: annotated pictures and videos (for records see records.py), all handled as one by Outputs."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.atomic import Pending, output_error
from hpe_edge.console import counted
from hpe_edge.draw import draw_poses
from hpe_edge.errors import InputError, OutputError
from hpe_edge.poses import Poses
from hpe_edge.video import PICTURE_SUFFIXES, Frame, Source, opencv_path

_FOURCC = "mp4v"  # MPEG-4 part 2: the one codec for .mp4 that every build of OpenCV can write


class Sink(Protocol):
    """One output. After ``finish`` (all went well) or ``abort``, its pending file is committed, kept or discarded.

    Attributes:
        pending: None where the output is no file, so that nothing is renamed.
    """

    pending: Pending | None

    def write(self, frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
        """Take the results of one frame; may draw on ``frame.image``."""

    def finish(self) -> None:
        """Close, and raise OutputError unless everything is there."""

    def abort(self) -> None:
        """Close; never raises."""


def open_picture_sink(path: Path, source: Source) -> Sink:
    """The sink for annotated pictures that fits the source: picture to picture, folder to folder, video to .mp4.

    Raises:
        InputError: the name does not fit the source.
        OutputError: the place cannot be written to.
    """
    suffix = path.suffix.lower()
    if source.kind == "folder":
        if path.is_file() or suffix in PICTURE_SUFFIXES or suffix == ".mp4":
            raise InputError(f"{source.path} is a folder, so the output must be a folder as well, got {path}")
        return PictureFolder(path)
    if source.kind == "picture":
        if suffix not in PICTURE_SUFFIXES:
            raise InputError(f"an annotated picture needs one of {' '.join(sorted(PICTURE_SUFFIXES))}, got {path}")
        return PictureFile(path)
    if suffix != ".mp4":
        raise InputError(f"an annotated video needs the extension .mp4, got {path}")
    return VideoFile(path, source.fps)


class PictureFile:
    """One annotated picture. Implements :class:`Sink`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pending: Pending | None = Pending(path)
        self._temp = self.pending.temp

    def write(self, frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
        """See :class:`Sink`."""
        draw_poses(frame.image, boxes, poses)
        _write_picture(self._temp, frame.image, self._path)

    def finish(self) -> None:
        """See :class:`Sink`."""

    def abort(self) -> None:
        """See :class:`Sink`."""


class PictureFolder:
    """A folder of annotated pictures under the names of the originals. Implements :class:`Sink`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pending: Pending | None = Pending(path, folder=True)
        self._temp = self.pending.temp

    def write(self, frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
        """See :class:`Sink`."""
        draw_poses(frame.image, boxes, poses)
        _write_picture(self._temp / frame.name, frame.image, self._path / frame.name)

    def finish(self) -> None:
        """See :class:`Sink`."""

    def abort(self) -> None:
        """See :class:`Sink`."""


class VideoFile:
    """An annotated .mp4 at the source's frame rate, without sound. Implements :class:`Sink`.

    The codec wants even sides: of an odd one, OpenCV drops the last row or column.

    OpenCV's writer reports nothing, not even a full disk. So before each frame there must be room for it, and in the
    end the file is opened again: its number of frames must be right and its last frame must decode.
    """

    def __init__(self, path: Path, fps: float) -> None:
        opencv_path(path.resolve())  # said before there is anything to clean up
        self._path = path
        self.pending: Pending | None = Pending(path)
        self._temp = self.pending.temp
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._frames = 0

    def write(self, frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
        """See :class:`Sink`."""
        if self._writer is None:
            self._writer = self._open(frame.image)
        if shutil.disk_usage(self._temp.parent).free < frame.image.nbytes:  # far more than a compressed frame takes
            raise OutputError(
                f"cannot write {self._path}: the disk is full after {counted(self._frames, 'frame')}; make room"
            )
        draw_poses(frame.image, boxes, poses)
        self._writer.write(frame.image)
        self._frames += 1

    def finish(self) -> None:
        """See :class:`Sink`."""
        self.abort()
        if self._frames and not _video_is_complete(self._temp, self._frames):
            raise OutputError(
                f"cannot write {self._path}: only a part of {counted(self._frames, 'frame')} arrived in the file; "
                "the disk, a quota or a file-size limit is probably exhausted"
            )

    def abort(self) -> None:
        """See :class:`Sink`."""
        if self._writer is not None:
            self._writer.release()

    def _open(self, image: NDArray[np.uint8]) -> cv2.VideoWriter:
        name, fourcc = str(self._temp), cv2.VideoWriter.fourcc(*_FOURCC)
        # MPEG-4 counts time in 16 bits, so three digits of a high rate such as 120.123 are more than it can hold.
        for fps in (self._fps, round(self._fps, 2), math.ceil(self._fps)):
            writer = cv2.VideoWriter(name, fourcc, fps, (image.shape[1], image.shape[0]))
            if writer.isOpened():
                return writer
        raise OutputError(
            f"OpenCV {cv2.__version__} cannot write {self._path} ({_FOURCC}, {image.shape[1]} x {image.shape[0]} at "
            f"{self._fps:g} frames per second); use --csv or --jsonl, or an opencv-python wheel, which has FFmpeg"
        )


class Outputs:
    """All sinks of a run: no file gets its name before all of them are complete."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def add(self, sink: Sink) -> None:
        """Take one more sink."""
        self._sinks.append(sink)

    def write(self, frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
        """Pass the results of one frame to every sink."""
        for sink in self._sinks:
            sink.write(frame, boxes, poses)

    def commit(self) -> list[Path]:
        """Close everything, then give every file its name.

        Returns:
            What was written.

        Raises:
            OutputError: something is incomplete, then nothing was renamed; or a file cannot be given its name, which
                the message says, and which were renamed before it.
        """
        self._finish()
        written: list[Path] = []
        for pending in self._pending():
            try:
                pending.commit()
            except OutputError as error:
                before = f"; written before that: {', '.join(map(str, written))}" if written else ""
                raise OutputError(f"{error}{before}") from None
            written.append(pending.path)
        return written

    def keep_partial(self) -> list[Path]:
        """Close everything and keep it as NAME.partial.EXT.

        Returns:
            The names.

        Raises:
            OutputError: something is damaged; then nothing was renamed.
        """
        self._finish()
        return [pending.keep_partial() for pending in self._pending()]

    def discard(self) -> None:
        """Remove everything that was not committed or kept."""
        for sink in self._sinks:
            sink.abort()
        for pending in self._pending():
            pending.discard()

    def _finish(self) -> None:
        for sink in self._sinks:
            sink.finish()

    def _pending(self) -> list[Pending]:
        return [sink.pending for sink in self._sinks if sink.pending is not None]


def _write_picture(to: Path, image: NDArray[np.uint8], asked: Path) -> None:
    # Encoded in memory, because cv2.imwrite does not notice a full disk.
    done, data = cv2.imencode(to.suffix.lower(), image)
    if not done:
        raise OutputError(f"OpenCV cannot encode {asked} as {to.suffix}; choose another extension, such as .png")
    try:
        to.write_bytes(data.tobytes())
    except OSError as error:
        raise output_error(asked, error) from None


def _video_is_complete(path: Path, frames: int) -> bool:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened() or round(capture.get(cv2.CAP_PROP_FRAME_COUNT)) != frames:
            return False
        capture.set(cv2.CAP_PROP_POS_FRAMES, frames - 1)
        return bool(capture.grab())
    finally:
        capture.release()
