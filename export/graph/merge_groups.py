"""Merging of small groups of pointwise convolutions, for ONNX Runtime's fast path on x86.

With AVX-512, ONNX Runtime keeps activations in blocks of 16 channels and runs convolutions there whose groups are whole
blocks. Smaller groups break the chain: the activations are reordered, go through a slower kernel, and are reordered
back. Two to four such groups in one, with zero weights between them, give the same sums. The lightweight network has
such layers with groups of 4, 8 and 24 channels; it then does 60 million multiply-adds in place of 49. One face on one
core of an AMD EPYC, 10th percentiles of 400 runs in turns, merged over unmerged, with bit-identical outputs: ONNX
Runtime 0.87; ONNX Runtime without the blocked layout, as on other processors, 1.03; OpenVINO 0.99 in float32 and in
bfloat16. After export.int8: ONNX Runtime 1.02, OpenVINO 0.92.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, numpy_helper

_BLOCK = 16  # channels; with AVX-512
_MOST_MERGED = 4  # with more the zeros cost more than the blocks save


def merge_groups(model: ModelProto) -> list[str]:
    """Merge small groups of float32 pointwise convolutions, in place.

    Returns:
        The names of the nodes that were changed.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    merged = []
    for node in graph.node:
        group = _group(node)
        if group is None or node.input[1] not in weights:
            continue
        weight = weights[node.input[1]]
        if weight.data_type != TensorProto.FLOAT or len(weight.dims) != 4 or list(weight.dims[2:]) != [1, 1]:
            continue
        many = _groups_per_block(group.i, weight.dims[1], weight.dims[0] // group.i)
        if many is None:
            continue
        name = f"{weight.name}/{node.name}/merged"
        graph.initializer.append(numpy_helper.from_array(_spread(numpy_helper.to_array(weight), group.i, many), name))
        node.input[1] = name
        group.i //= many
        merged.append(node.name)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for name, tensor in weights.items() if merged and name not in used]:
        graph.initializer.remove(tensor)
    return merged


def _group(node: NodeProto) -> AttributeProto | None:
    """The attribute with the number of groups, of a convolution with more than one."""
    if node.op_type != "Conv" or node.domain:
        return None
    return next((each for each in node.attribute if each.name == "group" and each.i > 1), None)


def _groups_per_block(groups: int, inputs: int, outputs: int) -> int | None:
    """The number of groups to merge into whole blocks; None where no number fits, or each is whole already."""
    if inputs == 1 or (inputs % _BLOCK == 0 and outputs % _BLOCK == 0):
        return None  # depthwise convolutions have a kernel of their own
    for many in range(2, _MOST_MERGED + 1):
        if groups % many == 0 and inputs * many % _BLOCK == 0 and outputs * many % _BLOCK == 0:
            return many
    return None


def _spread(weight: NDArray[np.float32], groups: int, many: int) -> NDArray[np.float32]:
    """Weights ``[O, I, 1, 1]`` as ``[O, I * many, 1, 1]``: zero outside the output's own group."""
    outputs, inputs = weight.shape[:2]
    wide = np.zeros((outputs, many, inputs, 1, 1), np.float32)
    place = np.arange(outputs) // (outputs // groups) % many
    wide[np.arange(outputs), place] = weight
    return wide.reshape(outputs, many * inputs, 1, 1)
