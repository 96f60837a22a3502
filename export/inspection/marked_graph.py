"""Graphs whose layers are outputs, so that each layer's result can be read."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import ModelProto, TensorProto, shape_inference

from export.graph.weighted_layers import name_nodes

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
# Reading what these give would keep TensorRT from fusing them with the layers around, or shows nothing new.
_PASSED = ("QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Constant", "Flatten", "Reshape", "Transpose")


def layer_outputs(model: ModelProto) -> dict[str, str]:
    """Float tensors that depend on the input, one per computing layer, by the layer's name, in the order of the graph.

    A copy in FP16 has the same layers, not all of whose tensors keep their names. Quantization, casts and changes of
    shape alone are no layers here, unless they give an output of the graph.
    """
    named = ModelProto()
    named.CopyFrom(model)
    name_nodes(named)
    types = _types(model)
    outputs = {output.name for output in model.graph.output}
    reached = {given.name for given in model.graph.input}
    found = {}
    for node in named.graph.node:
        if not reached.intersection(node.input):
            continue
        reached.update(node.output)
        name = node.output[0]
        kind = types.get(name)
        if kind is None or kind.elem_type not in _FLOATS or not kind.shape.dim:
            continue
        if node.op_type not in _PASSED or name in outputs:
            found[node.name] = name
    return found


def with_outputs(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """A copy of a graph whose outputs are some of its float tensors, after those that it has."""
    marked = ModelProto()
    marked.CopyFrom(model)
    types = _types(model)
    there = {output.name for output in marked.graph.output}
    for name in names:
        if name not in there:
            value = marked.graph.output.add()
            value.name = name
            value.type.tensor_type.CopyFrom(types[name])
    onnx.checker.check_model(marked)
    return marked


def _types(model: ModelProto) -> dict[str, onnx.TypeProto.Tensor]:
    """The types of the graph's tensors, as far as they can be inferred."""
    inferred = shape_inference.infer_shapes(model)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    return {value.name: value.type.tensor_type for value in values}
