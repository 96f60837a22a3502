"""Changes to a graph before a converter reads it, which leave its answers as they are."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.graph.trace import batch, opset
from hpe_edge.errors import InputError

_ATTRIBUTE_OPSET = 17  # the last in which ReduceMean has its axes as an attribute


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


def sums_as_means(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with each ReduceSum as a ReduceMean times the number of its terms.

    Since opset 13 the axes of ReduceSum are an input, which pnnx 20261020 ignores; it would sum over all axes. Those of
    ReduceMean are an attribute.

    Args:
        model: the graph for one face, with all shapes; sums over axes that are no constants, of unknown
            shape or of a newer opset stay.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if opset(model) > _ATTRIBUTE_OPSET:
        return copy
    graph = copy.graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info)
    }
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    nodes = []
    for node in graph.node:
        shape = shapes.get(node.input[0], []) if node.input else []
        axes = constants.get(node.input[1]) if node.op_type == "ReduceSum" and len(node.input) == 2 else None
        if axes is None or not shape or not all(shape):
            nodes.append(node)
            continue
        count, mean = f"{node.output[0]}_count", f"{node.output[0]}_mean"
        terms = np.prod([shape[axis] for axis in axes])
        graph.initializer.append(numpy_helper.from_array(np.array(terms, np.float32), count))
        kept = next((each.i for each in node.attribute if each.name == "keepdims"), 1)
        nodes += [
            helper.make_node("ReduceMean", [node.input[0]], [mean], axes=axes.tolist(), keepdims=kept),
            helper.make_node("Mul", [mean, count], [node.output[0]]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return copy
