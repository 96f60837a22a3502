"""Recordings joined by their bytes in containers of which FFmpeg reads the first one alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_MOST_PARTS = 10_000_000  # boxes or tags that are looked at; a day of FLV has fewer
_LEAST_REST = 1024  # bytes that are no recording


def second_recording(path: Path) -> int | None:
    """Return the position in bytes at which a second recording begins, by the headers alone; None if none does.

    MPEG-TS, MPEG-PS, AVI and Matroska are not looked at: of these FFmpeg goes on reading.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(12)
            at = None
            if start[:4] == b"FLV\x01":
                at = _after_flv(file, size)
            elif start[4:8] == b"ftyp":
                at = _second_ftyp(file, size)
    except OSError:
        return None
    return at if at is not None and size - at >= _LEAST_REST else None


def _after_flv(file: BinaryIO, size: int) -> int | None:
    at = 13  # the header, and the size of no tag before
    for _ in range(_MOST_PARTS):
        file.seek(at)
        tag = file.read(11)
        if tag[:4] == b"FLV\x01":
            return at
        if len(tag) < 11 or at >= size:
            break
        at += 11 + int.from_bytes(tag[1:4], "big") + 4
    return None


def _second_ftyp(file: BinaryIO, size: int) -> int | None:
    at, moov = 0, False
    for _ in range(_MOST_PARTS):
        file.seek(at)
        box = file.read(16)
        length, name = int.from_bytes(box[:4], "big"), box[4:8]
        if len(box) < 8 or at >= size:
            break
        if name == b"ftyp" and moov:
            return at
        moov |= name == b"moov"
        if length == 1:
            length = int.from_bytes(box[8:16], "big")
        if length < 8:  # 0: to the end
            break
        at += length
    return None
