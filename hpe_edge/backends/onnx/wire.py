"""Protobuf's wire encoding, read and written without the onnx package, read without copies.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
_WIDTHS = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10  # bytes of a number of 64 bits


class WireError(ValueError):
    """Bytes that are no protobuf message."""


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield each field's number, wire type and value: an int for a varint, a view of its bytes otherwise.

    Raises:
        WireError: the message ends within a field, or has an unknown wire type.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, at = _varint(message, at)
        elif wire in _WIDTHS:
            length = _WIDTHS[wire]
        else:
            raise WireError(f"a field of wire type {wire}")
        if length > len(message) - at:
            raise WireError("it ends within a field")
        yield number, wire, message[at : at + length]
        at += length


def numbers(wire: int, value: int | memoryview) -> list[int]:
    """Decode a repeated integer field: one number, or a packed list of them.

    Raises:
        WireError: the list ends within a number.
    """
    if isinstance(value, int):
        return [signed(value)]
    if wire != BYTES:
        raise WireError("an integer of fixed width")
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(signed(number))
    return found


def varint(number: int) -> bytes:
    """Encode a number from 0 on in groups of seven bits, lowest first."""
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def encoded(number: int, wire: int, value: int | memoryview) -> list[bytes | memoryview]:
    """Return the pieces of a field as :func:`fields` yields it, to be joined."""
    key = varint(number << 3 | wire)
    if isinstance(value, int):
        return [key, varint(value)]
    return [key, varint(len(value)), value] if wire == BYTES else [key, value]


def signed(number: int) -> int:
    """Interpret a varint of 64 bits as a signed number."""
    return number - (1 << 64) if number >> 63 else number


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Decode a varint, groups of seven bits, lowest first; return it and the offset behind it."""
    number = 0
    for place in range(_LONGEST_VARINT):
        if at >= len(message):
            raise WireError("it ends within a number")
        byte = message[at]
        number |= (byte & 127) << 7 * place
        at += 1
        if byte < 128:
            return number & ((1 << 64) - 1), at
    raise WireError("a number of more than 64 bits")
