"""A look at the part of an HDF5 file on which the HDF5 library (seen with 2.0.0) never comes back when it is damaged.

Texts of free length, as Keras 3 writes names, stand in global heaps: runs of objects, each with its size before it. An
object that has no size leads the library to itself for ever, and neither Ctrl-C nor SIGTERM gets through to it.
"""

from __future__ import annotations

_HEAP = b"GCOL\x01\0\0\0"
_HEADER = 16  # of a heap and of each object: mark or index, and the size in the last 8 bytes


def heaps_are_sound(data: bytes) -> bool:
    """Whether the objects of each heap in the file lead to its end."""
    start = data.find(_HEAP)
    while start >= 0:
        end = start + _size(data, start)
        if end > len(data):
            return False
        at = start + _HEADER
        while end - at >= _HEADER:
            size = _size(data, at)
            is_free = data[at : at + 2] == b"\0\0"  # what is left of the heap; its size counts the header
            step = size if is_free else _HEADER + -(-size // 8) * 8
            if step < _HEADER:
                return False
            at += step
        if at > end:
            return False
        start = data.find(_HEAP, start + 1)
    return True


def _size(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 8 : at + _HEADER], "little")
