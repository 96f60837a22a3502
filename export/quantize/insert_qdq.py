"""Insertion of Q/DQ pairs by TensorRT's rules: before weighted layers and on shortcuts only.

The weights stay float32 in the file, each with a pair behind it: TensorRT 8 requires it, and the built engine holds
them as INT8. :mod:`export.quantize.qdq_rules` has the rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.graph.weighted_layers import Layer, layers_of, shortcuts_of, unfolded_norms
from hpe_edge.errors import ModelError

LEVELS = 127  # on each side of 0: TensorRT's scale is the largest magnitude over 127
_LEAST_SCALE = np.float32(2.0**-100)  # for a channel of zeros: TensorRT requires scales above 0
_QUANTIZED = ("QuantizeLinear", "DequantizeLinear")


def is_quantized(model: ModelProto) -> bool:
    """True where the graph has Q/DQ nodes."""
    return any(node.op_type in _QUANTIZED for node in model.graph.node)


def candidates(model: ModelProto) -> list[Layer]:
    """The layers that may be INT8.

    Raises:
        ModelError: there is none, or a BatchNorm behind a layer would prevent TensorRT's fusions.
    """
    if unfolded := unfolded_norms(model):
        raise ModelError(
            f"BatchNorm is not folded into the layer before it ({', '.join(unfolded[:3])}); export the model again "
            "with hpe-edge export onnx, which folds it"
        )
    found = [layer for layer in layers_of(model) if not layer.why_not]
    if not found:
        raise ModelError("no layer of this network can be INT8 (see docs/precision.md); use hpe-edge export fp16")
    return found


def tensors_to_calibrate(model: ModelProto, layers: Collection[Layer]) -> list[str]:
    """The activations that need a range when these layers are INT8."""
    chosen = {layer.name for layer in layers}
    shortcuts = [shortcut.data for shortcut in shortcuts_of(model) if shortcut.layer in chosen]
    return list(dict.fromkeys([*(layer.data for layer in layers), *shortcuts]))


def quantize(model: ModelProto, layers: Collection[Layer], ranges: Mapping[str, float]) -> ModelProto:
    """Copy the graph with these layers in INT8.

    Args:
        model: float32; its nodes have names.
        layers: of :func:`candidates`.
        ranges: clipping range of each tensor of :func:`tensors_to_calibrate`.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    chosen = {layer.name: layer for layer in layers}
    shortcuts = {each.add: each for each in shortcuts_of(model) if each.layer in chosen}
    weights = {weight.name: weight for weight in model.graph.initializer}
    constants: dict[str, TensorProto] = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.name in chosen:
            layer = chosen[node.name]
            nodes += _pair(node, 0, np.float32(ranges[layer.data] / LEVELS), None, constants)
            scales = weight_scales(numpy_helper.to_array(weights[layer.weight]), layer.axis)
            nodes += _pair(node, 1, scales, layer.axis, constants)
        elif node.name in shortcuts:
            data = shortcuts[node.name].data
            at = list(node.input).index(data)
            nodes += _pair(node, at, np.float32(ranges[data] / LEVELS), None, constants)
        nodes.append(node)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    graph.initializer.extend(constants.values())
    return result


def weight_scales(weights: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """One scale per output channel, which maps its largest magnitude to the last level."""
    others = tuple(at for at in range(weights.ndim) if at != axis)
    largest: NDArray[np.float32] = np.abs(weights).max(axis=others, initial=0).astype(np.float32)
    scales: NDArray[np.float32] = np.maximum(largest / np.float32(LEVELS), _LEAST_SCALE)
    return scales


def _pair(
    node: NodeProto,
    at: int,
    scale: NDArray[np.float32] | np.float32,
    axis: int | None,
    constants: dict[str, TensorProto],
) -> Iterator[NodeProto]:
    """The Q and DQ before a node's input ``at``; all pairs of a tensor share their constants."""
    name = node.input[at]
    scale_name, zero_name = f"{name}_scale", f"{name}_zero"
    scale = np.maximum(scale, _LEAST_SCALE)
    constants[scale_name] = numpy_helper.from_array(np.asarray(scale, np.float32), scale_name)
    constants[zero_name] = numpy_helper.from_array(np.zeros(np.shape(scale), np.int8), zero_name)
    attributes = {} if axis is None else {"axis": axis}
    own = f"{node.name}_{at}"
    for kind, read, written in (
        ("QuantizeLinear", name, f"{own}_quantized"),
        ("DequantizeLinear", f"{own}_quantized", f"{own}_dequantized"),
    ):
        yield helper.make_node(kind, [read, scale_name, zero_name], [written], name=written, **attributes)
    node.input[at] = f"{own}_dequantized"
