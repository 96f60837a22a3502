"""Dynamic input size for an ONNX graph that states a fixed one, without the onnx package.

Fully convolutional networks run at any size, but ONNX Runtime accepts only the size that the file states. The protobuf
encoding is edited directly.

Source: onnx.proto3 for the field numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types

_Edit = Callable[[bytes], bytes | None]


def free_size(model: bytes, input_name: str) -> bytes:
    """Make height and width of an input ``[N, C, H, W]`` dynamic.

    Output shapes are reduced to their rank, and shapes of intermediate values are dropped: both follow from the input.

    Args:
        model: an ONNX file that loads.
        input_name: the input; other inputs stay as they are.

    Returns:
        The edited file.
    """
    name = _encode(1, input_name.encode())

    def free_input(value: bytes) -> bytes:
        return _with_shape(value, _free_height_width) if name in _fields_of(value) else value

    def free_graph(graph: bytes) -> bytes:
        return _edited(graph, {11: free_input, 12: lambda output: _with_shape(output, _free_all), 13: _drop})

    return _edited(model, {7: free_graph})


def _with_shape(value_info: bytes, edit: _Edit) -> bytes:
    """Edit ValueInfoProto.type.tensor_type.shape."""
    return _edited(value_info, {2: lambda type_: _edited(type_, {1: lambda tensor: _edited(tensor, {2: edit})})})


def _free_height_width(shape: bytes) -> bytes:
    dims = _fields_of(shape)
    return b"".join(dims[:2]) + b"".join(_encode(1, _encode(2, side)) for side in (b"height", b"width"))


def _free_all(shape: bytes) -> bytes:
    return _encode(1, b"") * len(_fields_of(shape))


def _drop(_: bytes) -> None:
    return None


def _edited(message: bytes, edits: dict[int, _Edit]) -> bytes:
    """Replace the embedded messages with the given field numbers; an edit that returns None drops its field."""
    parts = []
    for number, whole, value in _parsed(message):
        if number not in edits:
            parts.append(whole)
        elif (new := edits[number](value)) is not None:
            parts.append(_encode(number, new))
    return b"".join(parts)


def _fields_of(message: bytes) -> list[bytes]:
    return [whole for _, whole, _ in _parsed(message)]


def _parsed(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield each field's number, its bytes with the key, and its value; the value of a varint stays encoded."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        wire, length = key & 7, 0
        if wire == _VARINT:
            length = _varint(message, at)[1] - at
        elif wire == _BYTES:
            length, at = _varint(message, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        at += length
        yield key >> 3, message[start:at], message[at - length : at]


def _varint(message: bytes, at: int = 0) -> tuple[int, int]:
    """Decode a varint, groups of seven bits, lowest first; return it and the offset behind it."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _encode(number: int, value: bytes) -> bytes:
    """Encode a length-delimited field: a string or an embedded message."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _encode_varint(number: int) -> bytes:
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])
