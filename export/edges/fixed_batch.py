"""Fixing the batch of an ONNX file, for libraries that take one face at a time."""

from __future__ import annotations

import onnx

from export.graph.trace import batch
from hpe_edge.errors import InputError


def one_face(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return a copy of the graph for one face, with all shapes inferred.

    With a dynamic batch onnx2tf computes the padding of each strided convolution at run time, from 9 operators.

    Args:
        model: the graph.
        name: of its file, for messages.

    Raises:
        InputError: its batch is fixed to more.
    """
    fixed = batch(model)
    if fixed not in (None, 1):
        raise InputError(
            f"{name} has a fixed batch of {fixed}, and this target takes one face; export it again without --batch"
        )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in (*copy.graph.input, *copy.graph.output):
        if tensor.type.tensor_type.shape.dim:
            tensor.type.tensor_type.shape.dim[0].Clear()
            tensor.type.tensor_type.shape.dim[0].dim_value = 1
    del copy.graph.value_info[:]
    inferred: onnx.ModelProto = onnx.shape_inference.infer_shapes(copy)
    return inferred
