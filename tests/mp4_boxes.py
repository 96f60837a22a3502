"""Changes to the boxes of an .mp4 that OpenCV wrote, whose index comes last."""

from __future__ import annotations

import struct
from pathlib import Path

_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def declare_pixels(path: Path, across: int, down: int) -> None:
    """Add the box ``pasp``: pixels ``across`` : ``down``."""
    data = bytearray(path.read_bytes())
    starts = _down_to(data, b"stsd")
    starts.append(starts[-1] + 16)  # the entry, after version, flags and count
    at = starts[-1] + _size(data, starts[-1])
    _put(data, starts, at, at, struct.pack(">I4sII", 16, b"pasp", across, down))
    path.write_bytes(data)


def declare_durations(path: Path, runs: list[tuple[int, float]]) -> None:
    """Let so many frames last so many frame times each, in the box ``stts``; the edit list goes."""
    data = bytearray(path.read_bytes())
    starts = _down_to(data, b"stts")
    at = starts[-1] + 12
    count, delta = struct.unpack_from(">II", data, at + 4)
    assert count == sum(frames for frames, _ in runs)
    packed = [struct.pack(">II", frames, round(delta * times)) for frames, times in runs]
    _put(data, starts, at, at + 12, struct.pack(">I", len(runs)) + b"".join(packed))
    whole = struct.pack(">I", round(sum(frames * times for frames, times in runs) * delta))
    header = data.index(b"mdhd") + 4 + 16
    data[header : header + 4] = whole
    path.write_bytes(data.replace(b"edts", b"free"))


def declare_turn(path: Path) -> None:
    """Make the track's matrix a quarter turn clockwise."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def _down_to(data: bytearray, name: bytes) -> list[int]:
    """Starts of the boxes from ``moov`` to the one of that name."""
    starts, at, end = [], 0, len(data)
    for each in (*_PATH, name):
        at = _find(data, each, at, end)
        starts.append(at)
        end = at + _size(data, at)
        at += 8
    return starts


def _put(data: bytearray, around: list[int], start: int, end: int, new: bytes) -> None:
    """Replace bytes, and correct the sizes of the boxes around them."""
    for at in around:
        data[at : at + 4] = struct.pack(">I", _size(data, at) + len(new) - (end - start))
    data[start:end] = new


def _size(data: bytes | bytearray, at: int) -> int:
    return int(struct.unpack_from(">I", data, at)[0])


def _find(data: bytes | bytearray, name: bytes, at: int, end: int) -> int:
    while at < end:
        if data[at + 4 : at + 8] == name:
            return at
        at += _size(data, at)
    raise AssertionError(f"no box {name!r}")
