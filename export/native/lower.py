"""Lowering of an ONNX graph to the layers of the native executor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from export.native.heads import split_heads
from export.native.layers import Layer, Network, Output, Shape, Weights
from hpe_edge.errors import ModelError

_SHAPE_ONLY = ("Flatten", "Reshape", "Squeeze", "Identity")
_KNOWN = "Conv, Gemm, Relu, Add, MaxPool, Resize, GlobalAveragePool, Flatten, Reshape, Squeeze and Identity"
_EXAMPLE = 512  # side of a detector's picture while it is lowered, a multiple of its stride
_RESIZE_WAY = (("coordinate_transformation_mode", b"half_pixel"), ("nearest_mode", b"round_prefer_floor"))
_DOUBLES = (("asymmetric", "floor"), ("asymmetric", "round_prefer_floor"), ("half_pixel", "round_prefer_floor"))


def lower(model: ModelProto, size: int) -> Network:
    """Lower a float32 graph.

    Args:
        model: with nodes in their order and one input ``[N, 3, size, size]``.
        size: side of the picture.

    Raises:
        ModelError: an operator, or a setting of one, that the native executor lacks; the message names it.
    """
    network = _Lowering(model, size).run()
    for name, output in network.outputs.items():
        shape = network.shapes[output.tensor]
        if (shape.height, shape.width) != (1, 1):
            raise ModelError(f"output {name!r} is a picture of {shape.width} x {shape.height}, not a row of numbers")
    return network


def lower_detector(model: ModelProto) -> Network:
    """Lower a float32 graph whose height and width are free, and whose outputs are rows of the pixels of its grids.

    Args:
        model: with nodes in their order, one input ``[N, 3, H, W]`` and outputs ``[N, cells, columns]``.

    Raises:
        ModelError: see :func:`lower`.
    """
    inner, heads = split_heads(model)
    network = _Lowering(inner, _EXAMPLE).run()
    stride = max(_EXAMPLE // network.shapes[layer.output].height for layer in network.layers)
    for layer in network.layers:
        if max(layer.weights.shape[2:]) >= _EXAMPLE // stride:
            raise ModelError(f"{layer.name} covers the whole picture, whose size is free; the native executor cannot")
    outputs = {}
    for name, head in heads.items():
        columns = network.shapes[head.tensor].channels - head.first if head.columns is None else head.columns
        outputs[name] = Output(network.outputs[head.tensor].tensor, head.first, columns, head.sigmoid)
    return replace(network, outputs=outputs, multiple=stride)


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
        self._doubled: dict[str, str] = {}  # a tensor of half the height and width
        self._shapes = {self._input: Shape(3, size, size)}

    def run(self) -> Network:
        """Lower all nodes."""
        kinds: dict[str, Callable[[NodeProto], None]] = {
            "Conv": self._conv,
            "Gemm": self._gemm,
            "Relu": self._relu,
            "Add": self._add,
            "MaxPool": self._largest,
            "Resize": self._double,
            "GlobalAveragePool": self._average,
            "Constant": self._constant,
            **dict.fromkeys(_SHAPE_ONLY, self._flat),
        }
        for node in self._nodes:
            if node.op_type not in kinds or node.domain not in ("", "ai.onnx"):
                raise _refused(node, f"the operator {node.op_type}; it knows {_KNOWN}")
            kinds[node.op_type](node)
        layers = tuple(self._layers.values())
        tensors = {name: self._tensor(name) for name in self._outputs}
        read = {name for layer in layers for name in (layer.input, layer.shortcut)}
        for name, tensor in tensors.items():
            if tensor not in self._layers or tensor in read:
                raise ModelError(f"output {name!r} is no layer's of its own, which the native executor cannot give")
            layer = self._layers[tensor]
            if layer.relu or layer.shortcut or layer.max_pool:
                raise ModelError(f"output {name!r} comes from a ReLU or an addition; it must be a convolution's")
        for layer in layers:
            if layer.output not in read and layer.output not in tensors.values():
                raise ModelError(f"nothing reads {layer.output!r}, the output of {layer.name}")
        shapes = {name: self._shapes[name] for name in (self._input, *self._layers)}
        outputs = {name: Output(tensor, 0, shapes[tensor].channels) for name, tensor in tensors.items()}
        return Network(self._input, layers, outputs, shapes)

    def _tensor(self, name: str) -> str:
        if name in self._doubled:
            raise ModelError(f"{name!r} is upsampled and read by something else than an Add, which native code lacks")
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

    def _largest(self, node: NodeProto) -> None:
        values = _settings(node)
        height, width = values["kernel_shape"] if len(values["kernel_shape"]) > 1 else (0, 0)
        strides = set(values.get("strides", [1]))
        odd = (
            any(values.get("pads", []))
            or values.get("ceil_mode", 0)
            or any(d != 1 for d in values.get("dilations", []))
        )
        if (
            height != width
            or len(strides) > 1
            or odd
            or len(node.output) > 1
            or values.get("auto_pad", b"NOTSET") != b"NOTSET"
        ):
            raise _refused(node, "a MaxPool with pads, dilations, or other than square kernels and strides")
        tensor = self._tensor(node.input[0])
        channels = self._shapes[tensor].channels
        if tensor not in self._layers:
            raise _refused(node, "a MaxPool of the picture")
        weights, bias = np.zeros((channels, 1, height, width), np.float32), np.zeros(channels, np.float32)
        layer = Layer(node.name or node.output[0], tensor, node.output[0], weights, bias, strides.pop())
        self._take(replace(layer, depthwise=True, max_pool=True), node)

    def _double(self, node: NodeProto) -> None:
        values = _settings(node)
        scales = self._constants.get(node.input[2]) if len(node.input) == len(("x", "roi", "scales")) else None
        way = tuple(values.get(key, default).decode() for key, default in _RESIZE_WAY)
        nearest = values.get("mode", b"nearest") == b"nearest" and way in _DOUBLES
        if not nearest or scales is None or scales.tolist() != [1, 1, 2, 2]:
            raise _refused(node, "a Resize other than to twice the size by the nearest pixel, with constant scales")
        self._doubled[node.output[0]] = self._tensor(node.input[0])

    def _relu(self, node: NodeProto) -> None:
        tensor = self._tensor(node.input[0])
        if tensor not in self._layers or self._uses[node.input[0]] > 1 or self._layers[tensor].max_pool:
            raise _refused(node, "a Relu of something else than a convolution of its own")
        self._follow(tensor, node, relu=True)

    def _add(self, node: NodeProto) -> None:
        names = sorted(node.input, key=lambda name: name in self._doubled)
        half = names[1] in self._doubled
        base, other = self._tensor(names[0]), self._doubled[names[1]] if half else self._tensor(names[1])
        times = 2 if half else 1
        if any(name not in self._layers for name in (base, other)) or self._shapes[base] != Shape(
            self._shapes[other].channels, times * self._shapes[other].height, times * self._shapes[other].width
        ):
            raise _refused(node, "an Add of other than two layers of the same shape")
        order = list(self._layers)
        pairs = [(base, other, names[0])] if half else [(base, other, names[0]), (other, base, names[1])]
        free = [
            (order.index(each), each, shortcut)
            for each, shortcut, name in pairs
            if self._uses[name] == 1
            and not self._layers[each].relu
            and not self._layers[each].max_pool
            and self._layers[each].shortcut is None
        ]
        if not free:
            self._add_in_a_layer(node, base, other, half)
            return
        _, layer, shortcut = max(free)
        self._layers = {
            # The sum comes last, after what it adds.
            **{name: each for name, each in self._layers.items() if name != layer},
            layer: self._layers[layer],
        }
        self._follow(layer, node, shortcut=shortcut, half_shortcut=half)

    def _add_in_a_layer(self, node: NodeProto, base: str, other: str, half: bool) -> None:
        """Add two tensors that others read as well, or that a ReLU has written, by a convolution with 1."""
        channels, name = self._shapes[base].channels, node.output[0]
        ones, zeros = np.ones((channels, 1, 1, 1), np.float32), np.zeros(channels, np.float32)
        layer = Layer(node.name or name, base, name, ones, zeros, depthwise=True, shortcut=other, half_shortcut=half)
        self._take(layer, node)

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
