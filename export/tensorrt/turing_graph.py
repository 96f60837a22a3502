"""Fully connected layers as convolutions: TensorRT-RTX has no FP32 matrix products for Turing, but convolutions.

``check_turing_op_compatibility`` of TensorRT-RTX 1.7 refuses them by name, and the head of every network is FP32.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper


def products_to_convolutions(model: ModelProto) -> ModelProto:
    """Copy the graph with each Gemm of constant weights as a convolution of 1 x 1, with the same results.

    Products of two activations stay; in FP16 they run on Turing as well.
    """
    result = ModelProto()
    result.CopyFrom(model)
    weights = {each.name: each for each in result.graph.initializer}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        plain = settings.get("alpha", 1.0) == settings.get("beta", 1.0) == 1.0 and not settings.get("transA", 0)
        if node.op_type != "Gemm" or not plain or not all(name in weights for name in node.input[1:]):
            nodes.append(node)
            continue
        kernel = numpy_helper.to_array(weights[node.input[1]])
        kernel = kernel if settings.get("transB", 0) else kernel.T
        base = node.name or node.output[0]
        constants = {
            "kernel": np.ascontiguousarray(kernel[:, :, None, None]),
            "pixel": np.array([0, -1, 1, 1], np.int64),
            "row": np.array([0, -1], np.int64),
        }
        names = {name: f"{base}_{name}" for name in constants}
        result.graph.initializer.extend(numpy_helper.from_array(each, names[name]) for name, each in constants.items())
        nodes += [
            helper.make_node("Reshape", [node.input[0], names["pixel"]], [f"{base}_in"], f"{base}_in"),
            helper.make_node("Conv", [f"{base}_in", names["kernel"], *node.input[2:]], [f"{base}_out"], base),
            helper.make_node("Reshape", [f"{base}_out", names["row"]], list(node.output), f"{base}_flat"),
        ]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in result.graph.initializer if each.name in used]
    del result.graph.initializer[:]
    result.graph.initializer.extend(kept)
    return result
