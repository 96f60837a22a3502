"""Checker of TensorRT's rules for Q/DQ pairs.

The rules are, in this order, those of the ONNX parsers of TensorRT 8.6 to 11 (onnx-tensorrt, QuantDequantLinearHelper),
the builder's conditions for fusing a pair with a layer (TensorRT's developer guide, "Explicit Quantization"), and this
project's own, for speed and accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export.graph.trace import opset
from export.graph.weighted_layers import layers_of, readers_of, shortcuts_of, unfolded_norms

NEWEST_OPSET_FP32_SCALES = 17  # of TensorRT 8.6's parser, JetPack 6.0's
OLDEST_OPSET_FP16_SCALES = 19  # before, ONNX's scales are float32

_Q, _DQ = "QuantizeLinear", "DequantizeLinear"


@dataclass(frozen=True)
class Violation:
    """A rule that a node breaks."""

    rule: str
    node: str
    what: str

    def __str__(self) -> str:
        return f"{self.node}: {self.what} ({self.rule})"


class _Graph:
    """A graph with lookup tables; ``plain`` is the graph without its pairs."""

    def __init__(self, model: ModelProto) -> None:
        self.model, graph = model, model.graph
        self.constants = {each.name: each for each in graph.initializer}
        self.constants |= {
            node.output[0]: node.attribute[0].t
            for node in graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        self.maker = {output: node for node in graph.node for output in node.output}
        self.readers = readers_of(model)
        self.outputs = {output.name for output in graph.output}
        self.plain = _without_pairs(self)

    def of(self, *kinds: str) -> Iterator[NodeProto]:
        return (node for node in self.model.graph.node if node.op_type in kinds)

    def array(self, name: str) -> NDArray[Any] | None:
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def is_weight(self, pair: NodeProto) -> bool:
        """True for a Q of a constant, and for the DQ behind it."""
        before = self.maker.get(pair.input[0])
        name = before.input[0] if pair.op_type == _DQ and before is not None and before.op_type == _Q else pair.input[0]
        return name in self.constants

    def undo(self, name: str) -> str:
        """The tensor before a pair; the tensor itself where there is no pair."""
        last = self.maker.get(name)
        if last is None or last.op_type != _DQ:
            return name
        first = self.maker.get(last.input[0])
        return str((first if first is not None and first.op_type == _Q else last).input[0])


_Found = Iterator[tuple[NodeProto, str]]
_Check = Callable[[_Graph], _Found]


def _three_inputs(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        if len(node.input) != 3 or not all(node.input):
            yield node, f"{len(node.input)} inputs"


def _constant_scales(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        if any(name not in graph.constants for name in node.input[1:]):
            yield node, "the scale or zero point is computed in the graph"


def _positive_scales(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        scale = graph.array(node.input[1])
        if scale is not None and not (scale.size and np.all(np.isfinite(scale)) and np.all(scale > 0)):
            yield node, f"smallest scale {scale.min() if scale.size else 'none'}"


def _symmetric(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        zero = graph.array(node.input[2]) if len(node.input) > 2 else None
        if zero is not None and (zero.dtype != np.int8 or np.any(zero)):
            yield node, f"zero point of {zero.dtype}, {'not 0' if np.any(zero) else 'all 0'}"


def _sizes_agree(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        scale, zero = (graph.array(name) for name in (*node.input[1:3],)) if len(node.input) > 2 else (None, None)
        if scale is not None and zero is not None and scale.size != zero.size:
            yield node, f"{scale.size} scales, {zero.size} zero points"


def _axis_fits(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        scale = graph.array(node.input[1])
        if scale is None or scale.size == 1:
            continue
        first = graph.maker[node.input[0]] if node.op_type == _DQ and node.input[0] in graph.maker else node
        data = graph.constants.get(first.input[0])
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), None)
        if axis is None:
            yield node, "no axis is named, and the parsers' defaults differ"
        elif data is not None and not (0 <= axis < len(data.dims) and data.dims[axis] == scale.size):
            yield node, f"{scale.size} scales along axis {axis} of {list(data.dims)}"


def _pairs(graph: _Graph) -> _Found:
    for node in graph.of(_Q):
        readers = graph.readers.get(node.output[0], [])
        if node.output[0] in graph.outputs or not readers or any(reader.op_type != _DQ for reader in readers):
            yield node, "something else than DequantizeLinear reads it"
    for node in graph.of(_DQ):
        before = graph.maker.get(node.input[0])
        if before is None or before.op_type != _Q:
            yield node, "no QuantizeLinear before it"
        elif list(before.input[1:]) != list(node.input[1:]):
            yield node, "its scale or zero point is not its QuantizeLinear's"


def _float_weights(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        tensor = graph.constants.get(node.input[0])
        if tensor is not None and tensor.data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            yield node, f"the constant before it is {TensorProto.DataType.Name(tensor.data_type)}"


def _opset_of_scales(graph: _Graph) -> _Found:
    version = opset(graph.model)
    for node in graph.of(_Q, _DQ):
        scale = graph.constants.get(node.input[1])
        if scale is None:
            continue
        if scale.data_type == TensorProto.FLOAT and version > NEWEST_OPSET_FP32_SCALES:
            yield node, f"float32 scales in opset {version}, which TensorRT 8.6 does not read"
        if scale.data_type == TensorProto.FLOAT16 and version < OLDEST_OPSET_FP16_SCALES:
            yield node, f"float16 scales in opset {version}"
        if scale.data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            yield node, f"scales of {TensorProto.DataType.Name(scale.data_type)}"


def _one_type_of_scales(graph: _Graph) -> _Found:
    kinds = [
        (node, graph.constants[node.input[1]].data_type)
        for node in graph.of(_Q, _DQ)
        if node.input[1] in graph.constants
    ]
    for node, kind in kinds:
        if kind != kinds[0][1]:
            yield node, f"{TensorProto.DataType.Name(kind)} scales, others are {TensorProto.DataType.Name(kinds[0][1])}"
        data = graph.constants.get(node.input[0])
        if data is not None and data.data_type != kind and node.op_type == _Q:
            yield node, "its scales are of another type than its weights"


def _per_tensor_activations(graph: _Graph) -> _Found:
    for node in graph.of(_Q, _DQ):
        scale = graph.array(node.input[1])
        if scale is not None and scale.size != 1 and not graph.is_weight(node):
            yield node, f"{scale.size} scales for an activation"


def _per_channel_weights(graph: _Graph) -> _Found:
    layers = {layer.weight: layer for layer in layers_of(graph.plain)}
    for node in graph.of(_Q):
        layer, tensor = layers.get(node.input[0]), graph.constants.get(node.input[0])
        scale = graph.array(node.input[1])
        if layer is None or tensor is None or scale is None:
            continue
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), None)
        if scale.size != tensor.dims[layer.axis] or (axis is not None and axis != layer.axis):
            yield (node, f"{scale.size} scales along {axis} for {tensor.dims[layer.axis]} outputs along {layer.axis}")


def _own_pair(graph: _Graph) -> _Found:
    for node in graph.of(_DQ):
        if len(graph.readers.get(node.output[0], [])) != 1 or node.output[0] in graph.outputs:
            yield node, f"{len(graph.readers.get(node.output[0], []))} nodes read it"


def _both_inputs(graph: _Graph) -> _Found:
    for node in graph.of("Conv", "Gemm", "MatMul"):
        pairs = [graph.undo(name) != name for name in node.input[:2]]
        if any(pairs) and not all(pairs):
            yield node, f"only its {'input' if pairs[0] else 'weights'} have a pair"


def _where(graph: _Graph) -> _Found:
    for node in graph.of(_DQ):
        for reader in graph.readers.get(node.output[0], []):
            at = list(reader.input).index(node.output[0])
            if reader.op_type in ("Conv", "Gemm", "MatMul"):
                if at > 1:
                    yield node, f"the bias of {reader.name} has a pair"
            elif reader.op_type != "Add":
                yield node, f"{reader.op_type} reads it, which has no weights"


def _shortcuts(graph: _Graph) -> _Found:
    shortcuts = {shortcut.add: shortcut for shortcut in shortcuts_of(graph.plain)}
    layers = {node.name: node for node in graph.of("Conv")}
    for node in graph.of("Add"):
        with_pair = [graph.undo(name) for name in node.input if graph.undo(name) != name]
        shortcut = shortcuts.get(node.name)
        if len(with_pair) > 1:
            yield node, "both inputs have a pair"
        elif with_pair and (shortcut is None or with_pair[0] != shortcut.data):
            yield node, f"the pair is on {with_pair[0]}, which is not its shortcut"
        if shortcut is not None and shortcut.layer in layers:
            quantized = graph.undo(layers[shortcut.layer].input[0]) != layers[shortcut.layer].input[0]
            if quantized != bool(with_pair):
                yield (
                    node,
                    f"{shortcut.layer} is {'INT8, its shortcut not' if quantized else 'not INT8, its shortcut is'}",
                )


def _no_batch_norm(graph: _Graph) -> _Found:
    unfolded = unfolded_norms(graph.plain)
    for node in graph.of("BatchNormalization"):
        if node.name in unfolded:
            yield node, "it could be part of the layer before it"


def _left_alone(graph: _Graph) -> _Found:
    nodes = {node.name: node for node in graph.of("Conv", "Gemm", "MatMul")}
    for layer in layers_of(graph.plain):
        node = nodes[layer.name]
        if layer.why_not and any(graph.undo(name) != name for name in node.input[:2]):
            yield node, f"it has pairs, and is {layer.why_not}"


# Rule -> its check.
RULES: dict[str, _Check] = {
    "Q and DQ have data, scale and zero point": _three_inputs,
    "scales and zero points are constants": _constant_scales,
    "scales are above 0": _positive_scales,
    "symmetric: the zero point is int8 and 0": _symmetric,
    "as many zero points as scales": _sizes_agree,
    "per-channel scales name their axis and match its length": _axis_fits,
    "weights are stored in floating point, with a pair behind them": _float_weights,
    "float32 scales up to opset 17, float16 scales from opset 19 on": _opset_of_scales,
    "strongly typed: all scales and their weights have one type": _one_type_of_scales,
    "Q and DQ stand in pairs with the same scale": _pairs,
    "activations have one scale": _per_tensor_activations,
    "weights have one scale for each output channel": _per_channel_weights,
    "a pair has one reader": _own_pair,
    "a layer's input and weights both have pairs, or neither": _both_inputs,
    "pairs stand before layers with weights and Adds, not on biases or other nodes": _where,
    "on an Add, the shortcut alone has a pair, and only behind an INT8 convolution": _shortcuts,
    "BatchNorm behind a layer is folded into it": _no_batch_norm,
    "the head and convolutions of few channels have no pairs": _left_alone,
}


def check(model: ModelProto) -> list[Violation]:
    """Check a graph with named nodes; without Q/DQ pairs it can only break the rule on BatchNorm."""
    graph = _Graph(model)
    return [Violation(rule, node.name, what) for rule, run in RULES.items() for node, what in run(graph)]


def _without_pairs(graph: _Graph) -> ModelProto:
    """The graph without its pairs."""
    plain = ModelProto()
    plain.CopyFrom(graph.model)
    del plain.graph.node[:]
    for node in graph.model.graph.node:
        if node.op_type in (_Q, _DQ):
            continue
        copy = plain.graph.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [graph.undo(name) for name in node.input]
    return plain
