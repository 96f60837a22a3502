"""Changes to the boxes of an .mp4 that OpenCV wrote, whose index comes last."""

from __future__ import annotations

import struct
from pathlib import Path

_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_SAMPLE_ENTRY = 8 + 78  # its header and the fields before its own boxes


def declare_pixels(path: Path, across: int, down: int) -> None:
    """Add the box ``pasp``: pixels ``across`` : ``down``."""
    data = bytearray(path.read_bytes())
    box = struct.pack(">I4sII", 16, b"pasp", across, down)
    starts, at, end = [], 0, len(data)
    for name in _PATH:
        at = _find(data, name, at, end)
        starts.append(at)
        end = at + _size(data, at)
        at += 8
    at += 8  # of stsd: version, flags and count
    starts.append(at)
    at += _size(data, at)
    data[at:at] = box
    for start in starts:
        data[start : start + 4] = struct.pack(">I", _size(data, start) + len(box))
    path.write_bytes(data)


def declare_turn(path: Path) -> None:
    """Make the track's matrix a quarter turn clockwise."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def _size(data: bytes | bytearray, at: int) -> int:
    return int(struct.unpack_from(">I", data, at)[0])


def _find(data: bytes | bytearray, name: bytes, at: int, end: int) -> int:
    while at < end:
        if data[at + 4 : at + 8] == name:
            return at
        at += _size(data, at)
    raise AssertionError(f"no box {name!r}")
