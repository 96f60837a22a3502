"""An ONNX graph as a torch module, to train its weights.

It has the operators of the zoo's exported networks. Weights keep their names, so that they can be written back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from export.graph.weighted_layers import WEIGHTED
from hpe_edge.errors import ModelError

_Attributes = Mapping[str, Any]
_Operator = Callable[[list[Any], _Attributes], Any]


class TorchGraph(nn.Module):
    """A float32 graph of opset 13 or newer with one input; its nodes have names.

    The constants of layers with weights are parameters. Whole numbers, such as shapes, are taken as they are.
    """

    def __init__(self, model: ModelProto) -> None:
        """
        Args:
            model: the graph.

        Raises:
            ModelError: it has an operator or an option that this module lacks.
        """
        super().__init__()
        graph = model.graph
        self._nodes = list(graph.node)
        self._input, self._outputs = graph.input[0].name, [output.name for output in graph.output]
        self._attributes = {node.name: _attributes(node) for node in self._nodes}
        arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        for node in self._nodes:
            if node.op_type == "Constant":
                arrays[node.output[0]] = numpy_helper.to_array(self._attributes[node.name]["value"])
            elif node.op_type not in _OPERATORS:
                raise ModelError(
                    f"{node.op_type} ({node.name}) cannot be trained here; hpe-edge export int8 quantizes without "
                    "training"
                )
        trained = {name for node in self._nodes if node.op_type in WEIGHTED for name in node.input[1:]}
        self._names = {name: f"w{at}" for at, name in enumerate(arrays)}  # torch allows no dots
        self._whole: dict[str, list[int]] = {}
        for name, array in arrays.items():
            if array.dtype != np.float32:
                self._whole[name] = np.atleast_1d(array).tolist()
            elif name in trained:
                self.register_parameter(self._names[name], nn.Parameter(torch.from_numpy(array.copy())))
            else:
                self.register_buffer(self._names[name], torch.from_numpy(array.copy()))

    def forward(self, image: Tensor) -> list[Tensor]:
        """``[N, 3, S, S]`` to the graph's outputs."""
        values: dict[str, Any] = {self._input: image, "": None}
        for node in self._nodes:
            if node.op_type == "Constant":
                continue
            read = [
                self.read(node, at, values[name] if name in values else self._constant(name))
                for at, name in enumerate(node.input)
            ]
            made = _OPERATORS[node.op_type](read, self._attributes[node.name])
            values.update(zip(node.output, made if isinstance(made, tuple) else (made,), strict=True))
        return [values[name] for name in self._outputs]

    def read(self, node: NodeProto, at: int, value: Any) -> Any:
        """The value of a node's input, for subclasses to change."""
        return value

    def weights(self) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        """The parameters by their names in the graph."""
        return {
            name: getattr(self, own).detach().cpu().numpy()
            for name, own in self._names.items()
            if isinstance(getattr(self, own, None), nn.Parameter)
        }

    def _constant(self, name: str) -> Any:
        return self._whole[name] if name in self._whole else getattr(self, self._names[name])


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


def _padded(x: Tensor, attributes: _Attributes, value: float = 0.0) -> Tensor:
    """Pad the picture; ONNX lists the starts of rows and columns before the ends."""
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or attributes.get("ceil_mode", 0):
        raise ModelError("padding by auto_pad or ceil_mode cannot be trained here; export the model again")
    top, left, bottom, right = attributes.get("pads") or (0,) * 4
    return functional.pad(x, (left, right, top, bottom), value=value) if top or left or bottom or right else x


def _conv(inputs: list[Any], attributes: _Attributes) -> Tensor:
    image, weight, bias = (*inputs, None)[:3]
    options = (attributes.get("strides") or 1, 0, attributes.get("dilations") or 1, attributes.get("group", 1))
    pads = attributes.get("pads") or [0] * 4
    if pads[:2] == pads[2:] and attributes.get("auto_pad", b"NOTSET") == b"NOTSET":
        return functional.conv2d(image, weight, bias, options[0], pads[:2], *options[2:])
    return functional.conv2d(_padded(image, attributes), weight, bias, *options)


def _gemm(inputs: list[Any], attributes: _Attributes) -> Tensor:
    a = inputs[0].t() if attributes.get("transA") else inputs[0]
    b = inputs[1].t() if attributes.get("transB") else inputs[1]
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product if len(inputs) < 3 else product + attributes.get("beta", 1.0) * inputs[2]


def _max_pool(inputs: list[Any], attributes: _Attributes) -> Tensor:
    image = _padded(inputs[0], attributes, -torch.inf)
    return functional.max_pool2d(image, attributes["kernel_shape"], attributes.get("strides") or 1)


def _average_pool(inputs: list[Any], attributes: _Attributes) -> Tensor:
    if any(attributes.get("pads") or ()) and not attributes.get("count_include_pad"):
        raise ModelError("AveragePool with padding that is not counted cannot be trained here")
    image = _padded(inputs[0], attributes)
    return functional.avg_pool2d(image, attributes["kernel_shape"], attributes.get("strides") or 1)


def _reduced(method: Callable[..., Tensor]) -> _Operator:
    def run(inputs: list[Any], attributes: _Attributes) -> Tensor:
        axes = inputs[1] if len(inputs) > 1 else attributes.get("axes") or list(range(inputs[0].ndim))
        return method(inputs[0], dim=axes, keepdim=bool(attributes.get("keepdims", 1)))

    return run


def _reshape(inputs: list[Any], _: _Attributes) -> Tensor:
    data, shape = inputs
    kept: Tensor = data.reshape([data.shape[at] if side == 0 else side for at, side in enumerate(shape)])
    return kept


def _unsqueeze(inputs: list[Any], _: _Attributes) -> Tensor:
    data: Tensor = inputs[0]
    for axis in sorted(inputs[1]):
        data = data.unsqueeze(axis)
    return data


def _pad(inputs: list[Any], attributes: _Attributes) -> Tensor:
    image, pads = inputs[:2]
    if attributes.get("mode", b"constant") != b"constant" or len(pads) != 8 or any(pads[:2] + pads[4:6]):
        raise ModelError("Pad of other axes than rows and columns, or by other values than one, cannot be trained here")
    value = float(inputs[2]) if len(inputs) > 2 else 0.0
    return functional.pad(image, (pads[3], pads[7], pads[2], pads[6]), value=value)


def _split(inputs: list[Any], attributes: _Attributes) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = torch.split(inputs[0], inputs[1], attributes.get("axis", 0))
    return parts


def _clip(inputs: list[Any], _: _Attributes) -> Tensor:
    low, high = (*inputs[1:], None, None)[:2]
    return torch.clamp(inputs[0], low, high)


def _hard_sigmoid(inputs: list[Any], attributes: _Attributes) -> Tensor:
    return (attributes.get("alpha", 0.2) * inputs[0] + attributes.get("beta", 0.5)).clamp(0, 1)


def _plain(function: Callable[..., Tensor]) -> _Operator:
    return lambda inputs, _: function(*inputs)


_OPERATORS: dict[str, _Operator] = {
    "Add": _plain(torch.add),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda inputs, attributes: torch.cat(inputs, attributes["axis"]),
    "Constant": lambda inputs, attributes: None,
    "Conv": _conv,
    "Div": _plain(torch.div),
    "Exp": _plain(torch.exp),
    "Flatten": lambda inputs, attributes: inputs[0].flatten(attributes.get("axis", 1)),
    "Floor": _plain(torch.floor),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda inputs, attributes: inputs[0].mean((2, 3), keepdim=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(torch.clone),
    "LeakyRelu": lambda inputs, attributes: functional.leaky_relu(inputs[0], attributes.get("alpha", 0.01)),
    "MatMul": _plain(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Pad": _pad,
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Sigmoid": _plain(torch.sigmoid),
    "Softmax": lambda inputs, attributes: torch.softmax(inputs[0], attributes.get("axis", -1)),
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Unsqueeze": _unsqueeze,
}
