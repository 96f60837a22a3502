"""Lowering of an ONNX graph to the layers of the native executor.

A layer is a convolution with all that follows it before the next one: the addition of a shortcut and ReLU. A matrix
product is a convolution whose kernel covers its input, and an average over the picture a depthwise one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from hpe_edge.errors import ModelError

Weights = NDArray[np.float32]

_SHAPE_ONLY = ("Flatten", "Reshape", "Squeeze", "Identity")
_KNOWN = "Conv, Gemm, Relu, Add, GlobalAveragePool, Flatten, Reshape, Squeeze and Identity"


@dataclass(frozen=True)
class Layer:
    """A convolution of the native executor, in floating point.

    Attributes:
        name: of the node in the graph.
        input, output, shortcut: tensors in the graph; the shortcut is added to the sums, None where there is none.
        weights: ``[O, I, KH, KW]``; depthwise ``[C, 1, KH, KW]``.
        bias: ``[O]``.
        stride, pad: the same along both axes; the picture is surrounded by ``pad`` pixels of 0.
        depthwise: each channel has a kernel of its own.
        relu: negative sums become 0.
    """

    name: str
    input: str
    output: str
    weights: Weights
    bias: Weights
    stride: int = 1
    pad: int = 0
    depthwise: bool = False
    shortcut: str | None = None
    relu: bool = False


@dataclass(frozen=True)
class Shape:
    """Channels, height and width of a tensor."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Network:
    """A lowered graph.

    Attributes:
        input: name of the picture's tensor.
        layers: in the order of execution; each reads the picture or outputs of earlier ones.
        outputs: names of the graph's outputs -> the tensors that hold them.
        shapes: of the picture and of each layer's output.
    """

    input: str
    layers: tuple[Layer, ...]
    outputs: Mapping[str, str]
    shapes: Mapping[str, Shape]


def lower(model: ModelProto, size: int) -> Network:
    """Lower a float32 graph.

    Args:
        model: with nodes in their order and one input ``[N, 3, size, size]``.
        size: side of the picture.

    Raises:
        ModelError: an operator, or a setting of one, that the native executor lacks; the message names it.
    """
    return _Lowering(model, size).run()


class _Lowering:
    def __init__(self, model: ModelProto, size: int) -> None:
        graph = model.graph
        self._nodes = list(graph.node)
        self._constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        inputs = [each.name for each in graph.input if each.name not in self._constants]
        if len(inputs) != 1:
            raise ModelError(f"the native executor takes one input, the graph has {', '.join(inputs) or 'none'}")
        self._input = inputs[0]
        self._outputs = [each.name for each in graph.output]
        self._uses = Counter(name for node in graph.node for name in node.input) + Counter(self._outputs)
        self._layers: dict[str, Layer] = {}  # by the tensor that it writes so far
        self._same: dict[str, str] = {}  # a tensor of the same numbers
        self._shapes = {self._input: Shape(3, size, size)}

    def run(self) -> Network:
        """Lower all nodes."""
        kinds: dict[str, Callable[[NodeProto], None]] = {
            "Conv": self._conv,
            "Gemm": self._gemm,
            "Relu": self._relu,
            "Add": self._add,
            "GlobalAveragePool": self._average,
            "Constant": self._constant,
            **dict.fromkeys(_SHAPE_ONLY, self._flat),
        }
        for node in self._nodes:
            if node.op_type not in kinds or node.domain not in ("", "ai.onnx"):
                raise _refused(node, f"the operator {node.op_type}; it knows {_KNOWN}")
            kinds[node.op_type](node)
        layers = tuple(self._layers.values())
        outputs = {name: self._tensor(name) for name in self._outputs}
        read = {name for layer in layers for name in (layer.input, layer.shortcut)}
        for name, tensor in outputs.items():
            if tensor not in self._layers or tensor in read:
                raise ModelError(f"output {name!r} is no layer's of its own, which the native executor cannot give")
            if self._layers[tensor].relu or self._layers[tensor].shortcut:
                raise ModelError(f"output {name!r} comes from a ReLU or an addition; it must be a convolution's")
        for layer in layers:
            if layer.output not in read and layer.output not in outputs.values():
                raise ModelError(f"nothing reads {layer.output!r}, the output of {layer.name}")
        shapes = {name: self._shapes[name] for name in (self._input, *self._layers)}
        return Network(self._input, layers, outputs, shapes)

    def _tensor(self, name: str) -> str:
        while name in self._same:
            name = self._same[name]
        return name

    def _array(self, node: NodeProto, at: int, what: str) -> Weights:
        name = node.input[at]
        if name not in self._constants:
            raise _refused(node, f"{what} that are no constants")
        return np.asarray(self._constants[name], np.float32)

    def _constant(self, node: NodeProto) -> None:
        values = _settings(node)
        if "value" not in values:
            raise _refused(node, "a Constant that is no tensor")
        self._constants[node.output[0]] = numpy_helper.to_array(values["value"])

    def _conv(self, node: NodeProto) -> None:
        values = _settings(node)
        weights = self._array(node, 1, "weights")
        bias = self._array(node, 2, "biases") if len(node.input) > 2 else np.zeros(len(weights), np.float32)
        if weights.ndim != 4:
            raise _refused(node, f"convolutions along {weights.ndim - 2} axes")
        if any(each != 1 for each in values.get("dilations", [])):
            raise _refused(node, f"dilations of {values['dilations']}")
        if values.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise _refused(node, f"auto_pad={values['auto_pad'].decode()}")
        strides, pads = set(values.get("strides", [1])), set(values.get("pads", [0]))
        if len(strides) > 1 or len(pads) > 1:
            raise _refused(node, "strides or pads that differ between the sides")
        tensor = self._tensor(node.input[0])
        groups, channels = values.get("group", 1), self._shapes[tensor].channels
        if groups != 1 and not (groups == channels == len(weights)):
            raise _refused(node, f"a convolution in {groups} groups of {channels} channels")
        depthwise = groups != 1 or channels == len(weights) == 1
        self._take(
            Layer(
                node.name or node.output[0],
                tensor,
                node.output[0],
                weights,
                bias,
                strides.pop(),
                pads.pop(),
                depthwise,
            ),
            node,
        )

    def _gemm(self, node: NodeProto) -> None:
        values = _settings(node)
        if values.get("transA", 0):
            raise _refused(node, "a Gemm with transA")
        tensor = self._tensor(node.input[0])
        shape = self._shapes[tensor]
        weights = self._array(node, 1, "weights") * np.float32(values.get("alpha", 1.0))
        rows = weights if values.get("transB", 0) else weights.T
        if rows.shape[1] != shape.channels * shape.height * shape.width:
            raise _refused(node, "a Gemm whose input is no whole picture")
        bias = np.zeros(len(rows), np.float32)
        if len(node.input) > 2:
            bias = self._array(node, 2, "biases") * np.float32(values.get("beta", 1.0))
        kernel = np.ascontiguousarray(rows.reshape(len(rows), shape.channels, shape.height, shape.width))
        bias = np.array(np.broadcast_to(bias, (1, len(rows)))[0])
        self._take(Layer(node.name or node.output[0], tensor, node.output[0], kernel, bias), node)

    def _average(self, node: NodeProto) -> None:
        tensor = self._tensor(node.input[0])
        shape = self._shapes[tensor]
        weights = np.full((shape.channels, 1, shape.height, shape.width), 1 / (shape.height * shape.width), np.float32)
        bias = np.zeros(shape.channels, np.float32)
        self._take(Layer(node.name or node.output[0], tensor, node.output[0], weights, bias, depthwise=True), node)

    def _take(self, layer: Layer, node: NodeProto) -> None:
        shape = self._shapes[layer.input]
        kernel_height, kernel_width = layer.weights.shape[2:]
        height = (shape.height + 2 * layer.pad - kernel_height) // layer.stride + 1
        width = (shape.width + 2 * layer.pad - kernel_width) // layer.stride + 1
        wanted = 1 if layer.depthwise else shape.channels
        if layer.weights.shape[1] != wanted or min(height, width) < 1:
            raise _refused(node, f"weights {list(layer.weights.shape)} for an input of {shape}")
        self._layers[layer.output] = layer
        self._shapes[layer.output] = Shape(len(layer.weights), height, width)

    def _relu(self, node: NodeProto) -> None:
        tensor = self._tensor(node.input[0])
        if tensor not in self._layers or self._uses[node.input[0]] > 1:
            raise _refused(node, "a Relu of something else than a convolution of its own")
        self._follow(tensor, node, relu=True)

    def _add(self, node: NodeProto) -> None:
        a, b = (self._tensor(name) for name in node.input)
        order = list(self._layers)
        free = [
            (order.index(each), each, other)
            for each, other, name in ((a, b, node.input[0]), (b, a, node.input[1]))
            if each in self._layers
            and self._uses[name] == 1
            and not self._layers[each].relu
            and self._layers[each].shortcut is None
        ]
        if not free or self._shapes.get(a) != self._shapes.get(b):
            raise _refused(node, "an Add that is not the shortcut of a convolution before it")
        _, layer, shortcut = max(free)
        self._layers = {
            # The sum comes last, after what it adds.
            **{name: each for name, each in self._layers.items() if name != layer},
            layer: self._layers[layer],
        }
        self._follow(layer, node, shortcut=shortcut)

    def _follow(self, tensor: str, node: NodeProto, **changes: Any) -> None:
        """Fuse a node with the layer before it, which then writes the node's output."""
        new = node.output[0]
        layer = replace(self._layers[tensor], output=new, **changes)
        self._layers = {new if name == tensor else name: each for name, each in self._layers.items()}
        self._layers[new] = layer
        self._shapes[new] = self._shapes[tensor]

    def _flat(self, node: NodeProto) -> None:
        tensor = self._tensor(node.input[0])
        if node.op_type == "Flatten" and _settings(node).get("axis", 1) != 1:
            raise _refused(node, "a Flatten along another axis than 1")
        shape = self._shapes[tensor]
        if node.op_type in ("Reshape", "Squeeze") and (shape.height, shape.width) != (1, 1):
            raise _refused(node, f"a {node.op_type} of {shape}")
        self._same[node.output[0]] = tensor
        self._uses[tensor] += self._uses[node.output[0]] - 1


def _settings(node: NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _refused(node: NodeProto, what: str) -> ModelError:
    name = node.name or node.output[0]
    return ModelError(f"{name} ({node.op_type}): the native executor lacks {what}; run the model in ONNX Runtime")
