"""Constraint of a network's head to FP32, where builder flags set the precision.

The flag for FP16 lets the builder run any layer in FP16. The head outputs the angles, and near 60 degrees FP16 has
steps of 0.03.
"""

from __future__ import annotations

from typing import Any

from onnx import ModelProto

from export.graph.weighted_layers import head_nodes

_EXACT = ("CONSTANT", "SHAPE", "CAST")  # layers that compute nothing take no precision


def keep_head_in_fp32(trt: Any, network: Any, model: ModelProto) -> int:
    """Constrain the layers of the head, for a build that obeys constraints.

    The parser makes several layers of some nodes, and gives only the last one's output the node's name. So the layers
    are followed from the network's outputs up to the tensors of the other nodes.

    Args:
        trt: the tensorrt package.
        network: parsed from the graph.
        model: the graph.

    Returns:
        The number of layers that were constrained.
    """
    floating = trt.DataType.FLOAT
    exact = [getattr(trt.LayerType, name) for name in _EXACT]
    head = {name for node in head_nodes(model) for name in node.output}
    outside = {name for node in model.graph.node for name in node.output} - head
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    maker = {layer.get_output(i).name: at for at, layer in enumerate(layers) for i in range(layer.num_outputs)}
    waiting = [network.get_output(i).name for i in range(network.num_outputs)]
    seen: set[int] = set()
    constrained = 0
    while waiting:
        name = waiting.pop()
        at = maker.get(name)
        if at is None or at in seen or name in outside:
            continue
        seen.add(at)
        layer = layers[at]
        given = [layer.get_input(i) for i in range(layer.num_inputs)]
        waiting += [tensor.name for tensor in given if tensor is not None]
        outputs = range(layer.num_outputs)
        if layer.type in exact or any(layer.get_output(i).dtype != floating for i in outputs):
            continue
        layer.precision = floating
        for i in outputs:
            layer.set_output_type(i, floating)
        constrained += 1
    return constrained
