"""Protobuf's encoding, as far as ONNX files need it where the onnx package is not at hand.

A message is a run of fields, each a key (number and wire type) with its value. The numbers of ONNX's fields are those
of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def parsed(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field's number, its bytes with the key, and its value; a number's value is its encoding."""
    for number, start, value, end in _places(message):
        yield number, message[start:end], message[value:end]


def _places(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Each field's number, where it starts, where its value does, and where both end."""
    at = 0
    while at < len(message):
        start = at
        key, at = varint(message, at)
        wire, length = key & 7, 0
        if wire == _VARINT:
            length = varint(message, at)[1] - at
        elif wire == _BYTES:
            length, at = varint(message, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        at += length
        yield key >> 3, start, at - length, at


def values(message: bytes, number: int) -> list[bytes]:
    """The values of all fields of that number."""
    return [message[value:end] for found, _, value, end in _places(message) if found == number]


def varint(message: bytes, at: int = 0) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def encode(number: int, value: bytes) -> bytes:
    """A field of bytes: a string or an embedded message."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def encode_number(number: int, value: int) -> bytes:
    """A field of a number from 0 on."""
    return _encode_varint(number << 3 | _VARINT) + _encode_varint(value)


def _encode_varint(number: int) -> bytes:
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])
