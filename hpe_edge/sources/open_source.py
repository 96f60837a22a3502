"""Opener of sources by name: pictures, videos, cameras, streams, standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from hpe_edge.errors import InputError, SourceError
from hpe_edge.sources.capture.camera_mode import CameraMode
from hpe_edge.sources.capture.shape import Shape
from hpe_edge.sources.frame import Frame, Source
from hpe_edge.sources.images import PICTURE_SUFFIXES, Pictures
from hpe_edge.sources.live_stream import (
    GIVE_UP_S,
    Stream,
    open_camera,
    open_pipeline,
    open_url,
    without_password,
)
from hpe_edge.sources.picture_list import is_pattern, not_recursive
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames
from hpe_edge.sources.video_file import VIDEO_SUFFIXES, Video

__all__ = ["PICTURE_SUFFIXES", "VIDEO_SUFFIXES", "Frame", "Source", "open_source"]

Named: TypeAlias = "str | os.PathLike[str]"
_Shaped: TypeAlias = "Pictures | Video | Stream | RawFrames"


def open_source(
    given: Named | Sequence[Named],
    raw: RawFormat | None = None,
    *,
    recursive: bool = False,
    sar: float | None = None,
    rotate: int = 0,
    mirror: bool = False,
    live: bool = False,
    mode: CameraMode | None = None,
    reconnect_s: float = GIVE_UP_S,
) -> Source:
    """Open a source of frames.

    Args:
        given: a picture, a folder of pictures, a pattern with ``*`` or a video file; as text also a camera's number or
            /dev/video file, the address of a stream (rtsp://, http://), a GStreamer pipeline (elements joined by
            ``!``), or ``-`` for raw frames on standard input. A list of pictures, folders and patterns is one source.
            Frames of several pictures are named by their paths relative to the deepest folder that holds them all.
        raw: format of the frames on standard input.
        recursive: search folders recursively.
        sar: width of the frames' pixels by their height; None: as the source declares, else square.
        rotate: clockwise turn of the frames in degrees, beyond the one that the source declares.
        mirror: swap left and right of the frames, for a source that is mirrored.
        live: a camera writes the raw frames: the newest one is used, and times are those of arrival.
        mode: of a camera.
        reconnect_s: how long a lost camera or stream is opened again; infinity for ever.

    Raises:
        SourceError: it is missing, of an unknown type, empty or damaged.
        InputError: raw frames without their format, or a format without raw frames; a video, camera or stream among
            several sources; a recursive search without a folder; a mode without a camera, ``live`` without raw frames;
            a ``reconnect_s`` that is negative or NaN; see also
            :class:`hpe_edge.sources.capture.shape.Shape`.
    """
    wanted = Shape(1.0 if sar is None else sar, rotate, mirror)
    if not reconnect_s >= 0:  # NaN as well
        raise InputError(f"reconnect_s is a time of 0 s or more, got {reconnect_s!r}")
    source = _opened(given, raw, recursive, live, mode, reconnect_s)
    source.shape = wanted if sar is not None else replace(wanted, sar=source.shape.sar)
    return source


def _opened(
    given: Named | Sequence[Named],
    raw: RawFormat | None,
    recursive: bool,
    live: bool,
    mode: CameraMode | None,
    reconnect_s: float,
) -> _Shaped:
    several = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    if not several:
        raise InputError("name a picture, a folder of pictures, a video file, a camera or a stream")
    for each in several if len(several) > 1 else ():
        _check_picture(each, len(several))
    first = several[0] if isinstance(several[0], str) else Path(several[0])
    text = str(first)
    if (text == "-") != (raw is not None):
        raise InputError(
            "frames on standard input need their format, --raw WxH@FPS, and nothing else takes one; "
            f"got the source {text} {'without' if raw is None else 'with'} --raw"
        )
    if live and raw is None:
        raise InputError(f"live is for raw frames on standard input; got the source {without_password(text)}")
    if mode is not None and not (isinstance(first, str) and len(several) == 1 and _is_camera(first)):
        raise InputError(
            f"size, frame rate and fourcc are chosen for a camera, such as 0 or /dev/video0; got the source "
            f"{without_password(text)}"
        )
    if len(several) > 1:
        return Pictures.of_several([str(each) for each in several], recursive=recursive)
    if recursive and not Path(first).is_dir():
        raise not_recursive(text)
    if raw is not None:
        return RawFrames(raw, live=live)
    if isinstance(first, str):
        outside = _from_outside(first, mode, reconnect_s)
        if outside is not None:
            return outside
    return _from_files(Path(first), recursive)


def is_file_name(text: str) -> bool:
    """Return True if a source is in the file system, where a result could overwrite it."""
    return text != "-" and not _is_camera(text) and "://" not in text and not _is_pipeline(text)


def _check_picture(given: Named, count: int) -> None:
    text = str(given)
    if (isinstance(given, str) and not is_file_name(text)) or (
        Path(text).suffix.lower() in VIDEO_SUFFIXES and not Path(text).is_dir()
    ):
        raise InputError(
            f"{without_password(text)} is a video, camera or stream, of which a run takes one and nothing else, but "
            f'there are {count} sources; run it once for each: for f in *.mp4; do hpe-edge run "$f" ...; done'
        )


def _from_outside(text: str, mode: CameraMode | None, reconnect_s: float) -> Stream | None:
    if _is_camera(text):
        return open_camera(int(text) if text.isdecimal() else text, mode, reconnect_s)
    # Matched as text: a Path would turn rtsp:// into rtsp:/.
    if "://" in text:
        return open_url(text, reconnect_s)
    return open_pipeline(text, reconnect_s) if _is_pipeline(text) else None


def _from_files(path: Path, recursive: bool) -> Pictures | Video:
    if path.is_dir():
        return Pictures.of_folder(path, recursive=recursive)
    if not path.exists():
        if is_pattern(path):
            return Pictures.of_pattern(str(path))
        raise SourceError(
            f"there is no {path}; name a picture, a folder of pictures, a video file, a camera or a stream"
        )
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)")
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return Pictures.of_file(path)
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
