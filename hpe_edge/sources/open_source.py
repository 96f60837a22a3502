"""Opener of sources by name: pictures, videos, cameras, streams, standard input."""

from __future__ import annotations

import re
from pathlib import Path

from hpe_edge.errors import InputError, SourceError
from hpe_edge.sources.frame import Frame, Source
from hpe_edge.sources.images import PICTURE_SUFFIXES, Pictures
from hpe_edge.sources.live_stream import open_camera, open_pipeline, open_url
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames
from hpe_edge.sources.video_file import VIDEO_SUFFIXES, Video

__all__ = ["PICTURE_SUFFIXES", "VIDEO_SUFFIXES", "Frame", "Source", "open_source"]


def open_source(given: Path | str, raw: RawFormat | None = None) -> Source:
    """Open a source of frames.

    Args:
        given: a picture, a folder of pictures, a pattern with ``*`` (quoted) or a video file; as text also a camera's
            number or /dev/video file, the address of a stream (rtsp://, http://), a GStreamer pipeline (elements
            joined by ``!``), or ``-`` for raw frames on standard input.
        raw: format of the frames on standard input.

    Raises:
        SourceError: it is missing, of an unknown type, empty or damaged.
        InputError: raw frames without their format, or a format without raw frames.
    """
    text = str(given)
    if (text == "-") != (raw is not None):
        raise InputError(
            "frames on standard input need their format, --raw WxH@FPS, and nothing else takes one; "
            f"got the source {text} {'without' if raw is None else 'with'} --raw"
        )
    if raw is not None:
        return RawFrames(raw)
    if isinstance(given, str):
        outside = _from_outside(given)
        if outside is not None:
            return outside
    return _from_files(Path(given))


def is_file_name(text: str) -> bool:
    """Return True if a source is in the file system, where a result could overwrite it."""
    return text != "-" and not _is_camera(text) and "://" not in text and not _is_pipeline(text)


def _from_outside(text: str) -> Source | None:
    if _is_camera(text):
        return open_camera(int(text) if text.isdecimal() else text)
    # Matched as text: a Path would turn rtsp:// into rtsp:/.
    if "://" in text:
        return open_url(text)
    return open_pipeline(text) if _is_pipeline(text) else None


def _from_files(path: Path) -> Source:
    if path.is_dir():
        return Pictures.of_folder(path)
    if not path.exists():
        if any(sign in str(path) for sign in "*?["):
            return Pictures.of_pattern(str(path))
        raise SourceError(
            f"there is no {path}; name a picture, a folder of pictures, a video file, a camera or a stream"
        )
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)")
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return Pictures("picture", str(path), [path])
    if suffix in VIDEO_SUFFIXES:
        return Video(path)
    raise SourceError(
        f"{path} is neither a picture ({' '.join(sorted(PICTURE_SUFFIXES))}) nor a video "
        f"({' '.join(sorted(VIDEO_SUFFIXES))}) by its name"
    )


def _is_camera(text: str) -> bool:
    """Return True for a camera; an existing file or folder of that name has precedence."""
    return text.startswith("/dev/video") or (
        re.fullmatch("[0-9]{1,3}", text, re.ASCII) is not None and not Path(text).exists()
    )


def _is_pipeline(text: str) -> bool:
    return " ! " in text and not Path(text).exists()
