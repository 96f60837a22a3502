"""Multiplications of each layer with weights, for one face."""

from __future__ import annotations

import math

import onnx
from onnx import ModelProto

from export.graph.weighted_layers import layers_of
from hpe_edge.spec import Input


def multiplications(model: ModelProto, input: Input) -> dict[str, int]:
    """Count the multiplications of each layer, by name, for one face.

    Args:
        model: its nodes have names.
        input: of the spec; the model takes ``[N, 3, size, size]``.
    """
    single = ModelProto()
    single.CopyFrom(model)
    shape = single.graph.input[0].type.tensor_type.shape
    for dim, side in zip(shape.dim, (1, 3, input.size, input.size), strict=True):
        dim.dim_value = side
    for output in single.graph.output:
        output.type.tensor_type.ClearField("shape")
    del single.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(single, data_prop=True).graph
    sizes = {
        each.name: math.prod(dim.dim_value for dim in each.type.tensor_type.shape.dim)
        for each in (*inferred.value_info, *inferred.output)
    }
    weights = {each.name: list(each.dims) for each in model.graph.initializer}
    outputs = {node.name: node.output[0] for node in model.graph.node}
    counts = {}
    for layer in layers_of(model):
        dims = weights[layer.weight]
        # Each value of the output takes one multiplication for each weight of its channel; [..., in, out] of a MatMul.
        of_one = dims[-2] if layer.kind == "MatMul" else math.prod(dims) // dims[layer.axis]
        counts[layer.name] = sizes.get(outputs[layer.name], 0) * of_one
    return counts
