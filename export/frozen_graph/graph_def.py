"""Reader of a frozen TensorFlow graph: nodes, their attributes and constants, without TensorFlow.

Source: TensorFlow's graph.proto, node_def.proto, attr_value.proto, tensor.proto, tensor_shape.proto and types.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.onnx.wire import WireError, fields, numbers, signed
from hpe_edge.errors import ModelError

# Number of a DataType -> NumPy's type, and the field of a TensorProto that lists its values.
_TYPES: dict[int, tuple[str, int]] = {
    1: ("<f4", 5),
    2: ("<f8", 6),
    3: ("<i4", 7),
    9: ("<i8", 10),
    10: ("?", 11),
}
_LARGEST = 1 << 28  # values of a constant


@dataclass(frozen=True)
class Node:
    """A node of the graph.

    Attributes:
        name, op: as TensorFlow names them.
        inputs: names of nodes, ``name:1`` for a further output, without control inputs.
        attributes: number, text, truth, list of numbers, shape or array, by name; others are left out.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]


def read_graph(path: Path, data: bytes) -> dict[str, Node]:
    """Read a GraphDef.

    Args:
        path: names the file in messages.
        data: its bytes.

    Returns:
        The nodes by name, in the file's order.

    Raises:
        ModelError: it is none, is truncated, or holds an array of an unknown type.
    """
    try:
        nodes = [_node(value) for number, _, value in fields(memoryview(data)) if number == 1 and _is_bytes(value)]
    except (WireError, UnicodeDecodeError, struct.error, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read as a frozen TensorFlow graph ({error}); it may be truncated or another file: fetch "
            "it again"
        ) from None
    if not any(node.op == "Placeholder" for node in nodes):
        raise ModelError(f"{path} is no frozen TensorFlow graph: it has no Placeholder for the picture")
    return {node.name: node for node in nodes}


def _is_bytes(value: int | memoryview) -> bool:
    return isinstance(value, memoryview)


def _node(message: Any) -> Node:
    name, op, inputs, attributes = "", "", [], {}
    for number, _, value in fields(message):
        if number == 1:
            name = str(value, "utf-8")  # type: ignore[arg-type]
        elif number == 2:
            op = str(value, "utf-8")  # type: ignore[arg-type]
        elif number == 3:
            inputs.append(str(value, "utf-8"))  # type: ignore[arg-type]
        elif number == 5:
            entry = dict(_plain(value))
            attributes[str(entry[1], "utf-8")] = _attribute(entry[2])
    data = tuple(each.removesuffix(":0") for each in inputs if not each.startswith("^"))
    return Node(name, op, data, {key: value for key, value in attributes.items() if value is not None})


def _plain(message: Any) -> Iterator[tuple[int, Any]]:
    return ((number, value) for number, _, value in fields(message))


def _attribute(message: Any) -> Any:
    for number, _, value in fields(message):
        if number == 2:
            return str(value, "utf-8", "replace")  # type: ignore[arg-type]
        if number == 3:
            return signed(value)  # type: ignore[arg-type]
        if number == 4:
            return struct.unpack("<f", value)[0]  # type: ignore[arg-type]
        if number == 5:
            return bool(value)
        if number == 7:
            return _shape(value)
        if number == 8:
            return _array(value)
        if number == 1:
            return [each for inner, kind, item in fields(value) if inner == 3 for each in numbers(kind, item)]  # type: ignore[arg-type]
    return None


def _shape(message: Any) -> tuple[int, ...]:
    """Sides of a shape; -1 where unknown."""
    sides = []
    for number, value in _plain(message):
        if number == 2:
            sides.append(next((signed(side) for inner, side in _plain(value) if inner == 1), 0))
    return tuple(sides)


def _array(message: Any) -> NDArray[Any] | None:
    kind, content, listed = 0, b"", []
    shape: tuple[int, ...] = ()
    for number, wire, value in fields(message):
        if number == 1:
            kind = int(value)
        elif number == 2:
            shape = _shape(value)
        elif number == 4:
            content = bytes(value)
        else:
            listed.append((number, wire, value))
    if kind not in _TYPES:
        return None  # text and the like, which no network computes with
    dtype, field = _TYPES[kind]
    count = int(np.prod(shape, dtype=np.int64))
    if not 0 <= count <= _LARGEST:
        raise ValueError(f"a constant of {count} values")
    if content:
        return np.frombuffer(content, dtype).reshape(shape)
    values: list[Any] = []
    for number, wire, value in listed:
        if number != field:
            continue
        if dtype[1] == "f":
            values += np.frombuffer(bytes(value), dtype).tolist()
        else:
            values += numbers(wire, value)
    # A shorter list repeats its last value; an empty one is zeros.
    whole = values + [values[-1] if values else 0] * (count - len(values))
    return np.array(whole[:count], dtype).reshape(shape)
