"""Which precisions an ONNX graph asks for, read without the onnx package."""

from __future__ import annotations

from typing import NamedTuple

from hpe_edge.backends.onnx.wire import values, varint

_FLOAT16 = 10  # TensorProto.DataType


class Precision(NamedTuple):
    """What TensorRT must be allowed, so that it builds the graph as it stands.

    Attributes:
        half: the graph computes in float16 somewhere.
        int8: the graph is quantised.
    """

    half: bool
    int8: bool


def graph_precision(model: bytes) -> Precision:
    """The precisions in a graph.

    Float16 comes into a graph as a Cast or as a weight; a float16 input is the spec's to say. Eight bits come with
    DequantizeLinear.

    Args:
        model: an ONNX file that loads.
    """
    half = int8 = False
    for graph in values(model, 7):
        half |= any(_number(tensor, 2) == _FLOAT16 for tensor in values(graph, 5))
        for node in values(graph, 1):
            kind = b"".join(values(node, 4))
            int8 |= kind == b"DequantizeLinear"
            half |= kind == b"Cast" and any(_number(attribute, 3) == _FLOAT16 for attribute in values(node, 5))
    return Precision(half, int8)


def _number(message: bytes, field: int) -> int:
    """An integer field; 0, as protobuf has it, where it is left out."""
    found = values(message, field)
    return varint(found[-1])[0] if found else 0
