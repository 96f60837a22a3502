"""Pairs of convolutions with nothing between them, and convolutions with weights of their own."""

from __future__ import annotations

from collections import Counter

from onnx import ModelProto


def linear_pairs(model: ModelProto) -> list[str]:
    """Tensors between two convolutions of which nothing else reads the first's output."""
    writers = {node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    reads = Counter(name for node in model.graph.node for name in node.input)
    reads.update(output.name for output in model.graph.output)
    readers = {node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    return [name for name in sorted(writers & readers) if reads[name] == 1]


def with_own_weights(model: ModelProto) -> ModelProto:
    """Copy the graph; each convolution gets constants that no other node reads."""
    result = ModelProto()
    result.CopyFrom(model)
    constants = {each.name: each for each in result.graph.initializer}
    taken = Counter(name for node in result.graph.node for name in node.input)
    for node in result.graph.node:
        for place, name in enumerate(node.input):
            if node.op_type != "Conv" or name not in constants or taken[name] == 1:
                continue
            copied = result.graph.initializer.add()
            copied.CopyFrom(constants[name])
            copied.name = f"{name}_of_{node.output[0]}"
            node.input[place] = copied.name
    return result
