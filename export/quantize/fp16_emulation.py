"""A graph in FP16 as float32 arithmetic that rounds as FP16 does.

ONNX Runtime computes FP16 in float32 on most CPUs and leaves out the casts between: it never rounds an activation, and
where FP16 overflows it goes on. What a GPU would answer does not show there. Here each tensor that is FP16 is cast to
FP16 and back, which ONNX Runtime keeps as it is. Within a convolution or product the sums are float32, as on tensor
cores.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def rounding(model: ModelProto) -> ModelProto:
    """The float32 graph; one without FP16 stays as it is."""
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    halves = _half_tensors(model)
    if not halves:
        return result
    for tensor in graph.initializer:
        _widen(tensor)
    nodes: list[NodeProto] = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _widen(attribute.t)
        if node.op_type == "Cast" and helper.get_node_attr_value(node, "to") in _FLOATS:
            node.op_type = "Identity"
            del node.attribute[:]
        rounded = [name for name in node.output if name in halves]
        node.output[:] = [f"{name}_exact" if name in halves else name for name in node.output]
        nodes.append(node)
        for name in rounded:
            nodes.append(helper.make_node("Cast", [f"{name}_exact"], [f"{name}_half"], to=TensorProto.FLOAT16))
            nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    del graph.value_info[:]  # it says the types from before
    return result


def _half_tensors(model: ModelProto) -> set[str]:
    """Names of what nodes compute in FP16."""
    inferred = shape_inference.infer_shapes(model)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    return {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT16}


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float32"), tensor.name))
