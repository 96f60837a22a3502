"""Centring: shift activations so that they lie evenly about 0, as INT8's levels do.

TensorRT's INT8 has no zero point. Behind ReLU all values are positive, so half of the 255 levels stay unused, and the
step is twice as coarse as it need be. Subtracting the middle of the range before the pair uses all levels. The
convolution behind it gets the middle, times the sum of its weights, back in its bias: of its rounded weights, or the
many values near 0, which rounding left alone, would all be off by the same error. Zero padding becomes an explicit one
by the shifted zero.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.graph.weighted_layers import Layer, shortcuts_of
from export.quantize.insert_qdq import weight_scales

_WORTH = 0.5  # the shift must at least halve the power of the noise: the graph gets nodes for it
_IMAGE_AXES = 4

Float64Array = NDArray[np.float64]


def middles(bounds: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """The middles of ranges that centring makes much narrower.

    Args:
        bounds: tensor -> its least and its largest value.
    """
    found = {}
    for name, (low, high) in bounds.items():
        half, largest = (high - low) / 2, max(-low, high)
        if half**2 <= _WORTH * largest**2 and half > 0:
            found[name] = float(np.float32((low + high) / 2))  # as the graph holds it
    return found


def centre(
    model: ModelProto, layers: Collection[Layer], middle: Mapping[str, float], *, rounded: bool = True
) -> ModelProto:
    """Copy the graph with centred inputs of these layers, and shortcuts of the Adds behind them.

    Args:
        model: float32; its nodes have names.
        layers: some of :func:`export.quantize.insert_qdq.candidates`, those that will be INT8.
        middle: tensor -> what to subtract; other tensors stay as they are.
        rounded: the layers get INT8 weights; otherwise the outputs are the original's.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = _Graph(result, rounded)
    chosen = {layer.name: layer for layer in layers}
    nodes = {node.name: node for node in result.graph.node}
    for layer in layers:
        if layer.data in middle and graph.can_shift(nodes[layer.name]):
            graph.centre_input(nodes[layer.name], middle[layer.data])
    for shortcut in shortcuts_of(model):
        if shortcut.layer in chosen and shortcut.data in middle and graph.can_shift(nodes[shortcut.layer]):
            graph.centre_shortcut(nodes[shortcut.add], nodes[shortcut.layer], shortcut.data, middle[shortcut.data])
    graph.insert()
    return result


class _Graph:
    """A graph to change, with its constants."""

    def __init__(self, model: ModelProto, rounded: bool) -> None:
        self._graph, self._rounded = model.graph, rounded
        self._constants = {each.name: each for each in model.graph.initializer}
        self._before: dict[str, list[NodeProto]] = {}  # reader -> new nodes
        self._made: set[str] = set()

    def can_shift(self, node: NodeProto) -> bool:
        """True for a convolution of images whose padding is listed and whose bias, if any, is a constant."""
        weight = self._constants.get(node.input[1])
        auto = next((each.s for each in node.attribute if each.name == "auto_pad"), b"NOTSET")
        bias = node.input[2] if len(node.input) > 2 else ""
        return (
            node.op_type == "Conv"
            and weight is not None
            and len(weight.dims) == _IMAGE_AXES
            and auto == b"NOTSET"
            and (not bias or bias in self._constants)
        )

    def centre_input(self, node: NodeProto, middle: float) -> None:
        """Shift a convolution's input, and undo it in its bias."""
        name = self._centred(node, node.input[0], middle)
        pads = next((list(each.ints) for each in node.attribute if each.name == "pads"), [0] * 4)
        if any(pads):
            name = self._padded(node, name, pads, -middle)
            for each in node.attribute:
                if each.name == "pads":
                    each.ints[:] = [0] * 4
        node.input[0] = name
        weights = self._array(node.input[1])
        if self._rounded:
            steps = weight_scales(weights.astype(np.float32), 0).reshape(-1, 1, 1, 1)
            weights = np.rint(weights.astype(np.float32) / steps) * steps.astype(np.float64)
        self._add_to_bias(node, middle * weights.sum(axis=(1, 2, 3)))

    def centre_shortcut(self, add: NodeProto, node: NodeProto, data: str, middle: float) -> None:
        """Shift an Add's shortcut, and undo it in the bias of the convolution that it is added to."""
        add.input[list(add.input).index(data)] = self._centred(add, data, middle)
        self._add_to_bias(node, np.full(self._constants[node.input[1]].dims[0], middle))

    def insert(self) -> None:
        """Put the new nodes before their first readers."""
        nodes = []
        for node in self._graph.node:
            nodes += [*self._before.get(node.name, []), NodeProto.FromString(node.SerializeToString())]
        del self._graph.node[:]
        self._graph.node.extend(_sorted(nodes))
        self._graph.initializer.extend(each for name, each in self._constants.items() if name in self._made)

    def _centred(self, reader: NodeProto, name: str, middle: float) -> str:
        new = f"{name}_centred"
        if new not in self._made:
            self._make(reader, helper.make_node("Sub", [name, self._new(f"{name}_middle", middle)], [new], name=new))
        return new

    def _padded(self, reader: NodeProto, name: str, pads: list[int], value: float) -> str:
        new = f"{name}_padded_{'_'.join(map(str, pads))}"
        if new not in self._made:
            half = len(pads) // 2
            both = np.array([0, 0, *pads[:half], 0, 0, *pads[half:]], np.int64)
            read = [name, self._new(f"{new}_pads", both), self._new(f"{name}_edge", value)]
            self._make(reader, helper.make_node("Pad", read, [new], name=new))
        return new

    def _make(self, reader: NodeProto, node: NodeProto) -> None:
        self._made.add(node.name)
        self._before.setdefault(reader.name, []).append(node)

    def _new(self, name: str, value: float | NDArray[np.int64]) -> str:
        array = np.asarray(value, np.float32) if isinstance(value, float) else value
        self._constants[name] = numpy_helper.from_array(array, name)
        self._made.add(name)
        return name

    def _add_to_bias(self, node: NodeProto, values: Float64Array) -> None:
        bias = node.input[2] if len(node.input) > 2 else ""
        before = self._array(bias) if bias else np.zeros(len(values))
        name = f"{node.name}_bias_centred"
        tensor: TensorProto = numpy_helper.from_array((before + values).astype(np.float32), name)
        self._constants[name] = tensor
        self._made.add(name)
        del node.input[2:]
        node.input.append(name)

    def _array(self, name: str) -> Float64Array:
        return np.asarray(numpy_helper.to_array(self._constants[name]), np.float64)


def _sorted(nodes: list[NodeProto]) -> list[NodeProto]:
    """Move a new node before the first that reads it: shortcuts are handled after layers."""
    maker = {output: node for node in nodes for output in node.output}
    done: set[str] = set()
    order: list[NodeProto] = []

    def place(node: NodeProto) -> None:
        if node.name in done:
            return
        done.add(node.name)
        for name in node.input:
            if name in maker and maker[name].name not in done and maker[name].op_type in ("Sub", "Pad"):
                place(maker[name])
        order.append(node)

    for node in nodes:
        place(node)
    return order
