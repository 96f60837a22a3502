"""Freeing an ONNX graph from the picture size that it was exported with, without the onnx package.

Networks of convolutions alone run at any size, yet many files state one, and ONNX Runtime takes no other. The
protobuf encoding is simple enough to edit in place.
"""

from __future__ import annotations

from collections.abc import Callable

from hpe_edge.backends.onnx.wire import encode, parsed

_Edit = Callable[[bytes], bytes | None]


def free_size(model: bytes, input_name: str) -> bytes:
    """The model with height and width of an input ``[N, C, H, W]`` left open.

    What is stated of outputs and of values in between follows from it: of outputs the rank is kept, of others nothing.

    Args:
        model: an ONNX file that loads.
        input_name: the input; other inputs stay as they are.
    """
    name = encode(1, input_name.encode())

    def free_input(value: bytes) -> bytes:
        return _with_shape(value, _free_height_width) if name in _fields_of(value) else value

    def free_graph(graph: bytes) -> bytes:
        return _edited(graph, {11: free_input, 12: lambda output: _with_shape(output, _free_all), 13: _drop})

    return _edited(model, {7: free_graph})


def _with_shape(value_info: bytes, edit: _Edit) -> bytes:
    """ValueInfoProto.type.tensor_type.shape edited."""
    return _edited(value_info, {2: lambda type_: _edited(type_, {1: lambda tensor: _edited(tensor, {2: edit})})})


def _free_height_width(shape: bytes) -> bytes:
    dims = _fields_of(shape)
    return b"".join(dims[:2]) + b"".join(encode(1, encode(2, side)) for side in (b"height", b"width"))


def _free_all(shape: bytes) -> bytes:
    return encode(1, b"") * len(_fields_of(shape))


def _drop(_: bytes) -> None:
    return None


def _edited(message: bytes, edits: dict[int, _Edit]) -> bytes:
    """The message with the embedded messages of some numbers replaced, or left out where the edit gives None."""
    parts = []
    for number, whole, value in parsed(message):
        if number not in edits:
            parts.append(whole)
        elif (new := edits[number](value)) is not None:
            parts.append(encode(number, new))
    return b"".join(parts)


def _fields_of(message: bytes) -> list[bytes]:
    return [whole for _, whole, _ in parsed(message)]
