"""The ends of a detector's graph: from the grids' convolutions to rows of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hpe_edge.errors import ModelError

_LAST = (-1, 2)  # the axis of columns of [N, cells, columns]
_TO_ROWS = [0, 2, 3, 1]


@dataclass(frozen=True)
class Head:
    """An output of the graph.

    Attributes:
        tensor: of a convolution, ``[N, C, H, W]``.
        first, columns: its channels; None: all from the first on.
        sigmoid: their sigmoid is given.
    """

    tensor: str
    first: int
    columns: int | None
    sigmoid: bool


def split_heads(model: ModelProto) -> tuple[ModelProto, dict[str, Head]]:
    """Split a detector's graph at the convolutions whose pixels its outputs list.

    Args:
        model: each output is a convolution's, transposed to rows of cells, with or without a slice and a sigmoid.

    Returns:
        The graph up to the convolutions, and the outputs by their names.

    Raises:
        ModelError: an output is made in another way; the message names the operator.
    """
    graph = model.graph
    writers = {name: node for node in graph.node for name in node.output}
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                constants[node.output[0]] = numpy_helper.to_array(attribute.t)
    heads = {each.name: _head(each.name, writers, constants) for each in graph.output}
    inner = ModelProto()
    inner.CopyFrom(model)
    wanted = [head.tensor for head in heads.values()]
    read = set(wanted)
    for node in reversed(graph.node):
        if read & set(node.output):
            read |= set(node.input)
    kept = [node for node in graph.node if read & set(node.output)]
    del inner.graph.node[:], inner.graph.output[:]
    inner.graph.node.extend(kept)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in dict.fromkeys(wanted)]
    inner.graph.output.extend(ends)
    return inner, heads


def _head(name: str, writers: dict[str, NodeProto], constants: dict[str, Any]) -> Head:
    output, first, columns, sigmoid, in_rows = name, 0, None, False, False
    while True:
        node = writers.get(name)
        if node is None:
            raise ModelError(f"output {output!r} is no convolution's, which the native executor cannot give")
        if node.op_type == "Conv":
            if not in_rows:
                raise ModelError(f"output {output!r} lists channels, not cells; the native executor gives cells")
            return Head(name, first, columns, sigmoid)
        if node.op_type == "Sigmoid":
            sigmoid = True
        elif node.op_type == "Slice" and not in_rows:
            start, end = _slice(node, constants, output)
            first += start
            columns = columns or (None if end is None else end - start)
        elif node.op_type == "Transpose" and not in_rows and _axes(node) == _TO_ROWS:
            in_rows = True
        elif node.op_type not in ("Reshape", "Flatten", "Squeeze", "Identity") or in_rows:
            raise ModelError(
                f"output {output!r} comes from {node.op_type}; the native executor gives the cells of convolutions, "
                "sliced or with a sigmoid; run the model in ONNX Runtime"
            )
        name = node.input[0]


def _axes(node: NodeProto) -> list[int]:
    return next((list(each.ints) for each in node.attribute if each.name == "perm"), [])


def _slice(node: NodeProto, constants: dict[str, Any], output: str) -> tuple[int, int | None]:
    """Start and end of a slice of the columns; no end where it reaches the last."""
    given = [constants.get(name, np.zeros(0)) for name in node.input[1:]]
    start, end, axis, step = (each.ravel() for each in (*given, *(np.array([0]), np.array([1]))[len(given) - 2 :]))
    known = all(each.size == 1 for each in (start, end, axis, step))
    if not known or int(axis[0]) not in _LAST or int(step[0]) != 1 or start[0] < 0 or end[0] < 0:
        raise ModelError(f"output {output!r} is cut by a Slice of other than columns; the native executor lacks that")
    return int(start[0]), None if end[0] >= np.iinfo(np.int32).max else int(end[0])
