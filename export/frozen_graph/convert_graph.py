"""From the nodes of a frozen TensorFlow graph to ONNX.

TensorFlow's maps have their channels last. Each map of four axes is written with its channels second, as ONNX's
convolutions take it; only reshapes and transposes see TensorFlow's order. The batch is dynamic; all other sides are
known, so padding is written out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.frozen_graph.graph_def import Node
from hpe_edge.errors import ModelError

_OPSET = 17
_FIRST, _LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # to channels second, and back
_BATCH = -1

_UNARY = {"Relu": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Elu": "Elu", "Exp": "Exp", "Sqrt": "Sqrt"}
_BINARY = {
    "Add": "Add",
    "AddV2": "Add",
    "BiasAdd": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "RealDiv": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
}
_SAME = ("Identity", "StopGradient", "Snapshot", "PreventGradient", "CheckNumerics")


@dataclass(frozen=True)
class _Tensor:
    """A tensor of the ONNX graph, or a constant.

    Attributes:
        name: in the graph; empty for a constant that is not there yet.
        shape: TensorFlow's; -1 is the batch.
        second: it is stored with its channels second.
        value: of a constant, in TensorFlow's order.
    """

    name: str
    shape: tuple[int, ...]
    second: bool = False
    value: NDArray[Any] | None = None


def convert_graph(
    nodes: dict[str, Node], picture: str, size: int, outputs: Sequence[tuple[str, str]]
) -> onnx.ModelProto:
    """Convert the part of a graph that some outputs need.

    Args:
        nodes: of the graph.
        picture: name of the placeholder, ``[N, size, size, 3]``.
        size: side of the picture.
        outputs: names of nodes, and those that they get; their tensors have TensorFlow's order of axes.

    Returns:
        The graph, with an input ``image`` of ``[N, 3, size, size]``.

    Raises:
        ModelError: a node is missing, or has an operator or attribute that is not supported.
    """
    return _Conversion(nodes, picture, size).run(outputs)


class _Conversion:
    def __init__(self, nodes: dict[str, Node], picture: str, size: int) -> None:
        self._nodes, self._made = nodes, {picture: _Tensor("image", (_BATCH, size, size, 3), second=True)}
        self._size = size
        self._graph: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []
        self._rules: dict[str, Callable[[Node, list[_Tensor]], _Tensor]] = {
            "Const": lambda node, _: self._constant(node),
            "Conv2D": self._conv,
            "DepthwiseConv2dNative": self._conv,
            "Conv2DBackpropInput": self._transposed,
            **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), self._norm),
            **dict.fromkeys(("MaxPool", "AvgPool"), self._pool),
            **dict.fromkeys(("ResizeNearestNeighbor", "ResizeBilinear"), self._resize),
            **dict.fromkeys(_UNARY, self._unary),
            **dict.fromkeys(_BINARY, self._binary),
            **dict.fromkeys(_SAME, lambda _, given: given[0]),
            **dict.fromkeys(("Mean", "Max"), self._reduce),
            "Relu6": self._relu6,
            "LeakyRelu": lambda node, given: self._like(
                given[0], "LeakyRelu", alpha=float(node.attributes.get("alpha", 0.2))
            ),
            "Softmax": self._softmax,
            "ConcatV2": self._concat,
            "Pad": self._pad,
            "MatMul": self._matmul,
            "Reshape": self._reshape,
            "Squeeze": self._squeeze,
            "Transpose": self._transpose,
            "Shape": lambda _, given: _Tensor("", (len(given[0].shape),), value=np.array(given[0].shape)),
            "StridedSlice": self._slice,
            "Pack": lambda _, given: _Tensor("", (len(given),), value=np.array([int(_known(g)) for g in given])),
            "Prod": lambda _, given: _Tensor("", (), value=np.array(_product(_known(given[0]).ravel().tolist()))),
        }

    def run(self, outputs: Sequence[tuple[str, str]]) -> onnx.ModelProto:
        """See :func:`convert_graph`."""
        ends = []
        for old, new in outputs:
            found = self._plain(self._tensor(old))
            self._graph.append(helper.make_node("Identity", [found.name], [new]))
            sides = ["N" if side == _BATCH else side for side in found.shape]
            ends.append(helper.make_tensor_value_info(new, TensorProto.FLOAT, sides))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, self._size, self._size])
        graph = helper.make_graph(self._graph, "frozen", [image], ends, self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)

    def _tensor(self, name: str) -> _Tensor:
        """The tensor of a node; nodes that it needs are converted first, without recursion."""
        waiting = [name]
        while waiting:
            at = waiting[-1]
            if at in self._made:
                waiting.pop()
                continue
            node = self._nodes.get(at)
            if node is None:
                raise ModelError(f"the graph has no node {at!r}; it is not of this network, or not frozen")
            missing = [each for each in node.inputs if each not in self._made]
            if len(waiting) > len(self._nodes) + 1:
                raise ModelError(f"the graph's node {at!r} needs itself: it is damaged")
            if missing:
                waiting += missing
                continue
            rule = self._rules.get(node.op)
            if rule is None:
                raise ModelError(f"the graph's node {at!r} has the operator {node.op}, which is not converted")
            order = node.attributes.get("data_format", "NHWC")
            if order != "NHWC":
                raise ModelError(f"the graph's node {at!r} has the data format {order}; only NHWC is converted")
            self._made[at] = rule(node, [self._made[each] for each in node.inputs])
            waiting.pop()
        return self._made[name]

    def _constant(self, node: Node) -> _Tensor:
        value = node.attributes.get("value")
        if not isinstance(value, np.ndarray):
            raise ModelError(f"the graph's constant {node.name!r} has an unknown type")
        return _Tensor("", value.shape, value=value)

    def _add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{op.lower()}_{len(self._graph)}"
        self._graph.append(helper.make_node(op, [*inputs], [name], name=name, **attributes))
        return name

    def _weight(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        dtype = np.int64 if value.dtype.kind in "iu" else np.float32
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def _named(self, tensor: _Tensor) -> str:
        return tensor.name if tensor.value is None else self._weight(tensor.value)

    def _plain(self, tensor: _Tensor) -> _Tensor:
        """The tensor in TensorFlow's order."""
        if tensor.value is not None:
            return _Tensor(self._weight(tensor.value), tensor.shape)
        if not tensor.second:
            return tensor
        return _Tensor(self._add("Transpose", [tensor.name], perm=_LAST), tensor.shape)

    def _second(self, tensor: _Tensor) -> _Tensor:
        """A map with its channels second."""
        if tensor.second:
            return tensor
        return _Tensor(self._add("Transpose", [self._named(tensor)], perm=_FIRST), tensor.shape, second=True)

    def _like(self, given: _Tensor, op: str, *more: str, **attributes: Any) -> _Tensor:
        return _Tensor(self._add(op, [self._named(given), *more], **attributes), given.shape, given.second)

    def _unary(self, node: Node, given: list[_Tensor]) -> _Tensor:
        return self._like(given[0], _UNARY[node.op])

    def _relu6(self, node: Node, given: list[_Tensor]) -> _Tensor:
        return self._like(given[0], "Clip", self._weight(np.array(0.0)), self._weight(np.array(6.0)))

    def _binary(self, node: Node, given: list[_Tensor]) -> _Tensor:
        op, maps = _BINARY[node.op], [each for each in given if each.second]
        if not maps:
            shape = np.broadcast_shapes(*(tuple(abs(side) for side in each.shape) for each in given))
            batch = any(_BATCH in each.shape for each in given)
            name = self._add(op, [self._named(each) for each in given])
            return _Tensor(name, (_BATCH, *shape[1:]) if batch else tuple(shape))
        names = []
        for each in given:
            if each.value is not None and each.value.ndim <= 1:  # along the channels
                names.append(self._weight(each.value.reshape(-1, 1, 1) if each.value.ndim else each.value))
            elif len(each.shape) == 4:
                names.append(self._second(each).name)
            else:
                raise ModelError(f"the graph's node {node.name!r} joins {[one.shape for one in given]}")
        return _Tensor(self._add(op, names), maps[0].shape, second=True)

    def _window(
        self, node: Node, shape: tuple[int, ...], kernel: Sequence[int]
    ) -> tuple[list[int], list[int], list[int]]:
        """Strides, pads and the sides of the result."""
        strides = node.attributes["strides"][1:3]
        wide = [(k - 1) * d + 1 for k, d in zip(kernel, node.attributes.get("dilations", [1] * 4)[1:3], strict=True)]
        padding = node.attributes["padding"]
        if padding == "VALID":
            return strides, [0] * 4, [(n - k) // s + 1 for n, k, s in zip(shape[1:3], wide, strides, strict=True)]
        if padding != "SAME":
            raise ModelError(f"the graph's node {node.name!r} has the padding {padding}, which is not converted")
        sides = [-(-n // s) for n, s in zip(shape[1:3], strides, strict=True)]
        total = [max(0, (o - 1) * s + k - n) for n, k, s, o in zip(shape[1:3], wide, strides, sides, strict=True)]
        return strides, [*(t // 2 for t in total), *(t - t // 2 for t in total)], sides

    def _conv(self, node: Node, given: list[_Tensor]) -> _Tensor:
        picture, weight = self._second(given[0]), _known(given[1])
        strides, pads, sides = self._window(node, picture.shape, weight.shape[:2])
        groups = 1
        if node.op == "DepthwiseConv2dNative":
            groups = weight.shape[2]
            weight = weight.reshape(*weight.shape[:2], 1, -1)
        name = self._add(
            "Conv",
            [picture.name, self._weight(weight.transpose(3, 2, 0, 1))],
            strides=strides,
            pads=pads,
            group=groups,
            dilations=node.attributes.get("dilations", [1] * 4)[1:3],
        )
        return _Tensor(name, (picture.shape[0], *sides, weight.shape[3]), second=True)

    def _transposed(self, node: Node, given: list[_Tensor]) -> _Tensor:
        sizes, weight, picture = _known(given[0]), _known(given[1]), self._second(given[2])
        sides = [int(side) for side in sizes[1:3]]
        # The pads are those of the convolution that this one is the gradient of.
        strides, pads, _ = self._window(node, (_BATCH, *sides, 0), weight.shape[:2])
        name = self._add(
            "ConvTranspose",
            [picture.name, self._weight(weight.transpose(3, 2, 0, 1))],
            strides=strides,
            pads=pads,
            output_padding=[
                n - ((i - 1) * s + k - before - after)
                for n, i, s, k, before, after in zip(
                    sides, picture.shape[1:3], strides, weight.shape[:2], pads[:2], pads[2:], strict=True
                )
            ],
        )
        return _Tensor(name, (picture.shape[0], *sides, weight.shape[2]), second=True)

    def _norm(self, node: Node, given: list[_Tensor]) -> _Tensor:
        if node.attributes.get("is_training", True):
            raise ModelError(f"the graph's node {node.name!r} norms as in training; freeze the graph for inference")
        scale, offset, mean, variance = (_known(each) for each in given[1:5])
        epsilon = float(node.attributes.get("epsilon", 1e-4))
        names = [self._weight(each) for each in (scale, offset, mean, variance)]
        return self._like(self._second(given[0]), "BatchNormalization", *names, epsilon=epsilon)

    def _pool(self, node: Node, given: list[_Tensor]) -> _Tensor:
        picture, kernel = self._second(given[0]), node.attributes["ksize"][1:3]
        strides, pads, sides = self._window(node, picture.shape, kernel)
        op = "MaxPool" if node.op == "MaxPool" else "AveragePool"  # both leave out what was padded
        name = self._add(op, [picture.name], kernel_shape=kernel, strides=strides, pads=pads)
        return _Tensor(name, (picture.shape[0], *sides, picture.shape[3]), second=True)

    def _resize(self, node: Node, given: list[_Tensor]) -> _Tensor:
        picture, sides = self._second(given[0]), [int(side) for side in _known(given[1])]
        if node.attributes.get("align_corners"):
            raise ModelError(f"the graph's node {node.name!r} aligns corners, which is not converted")
        half = bool(node.attributes.get("half_pixel_centers"))
        scales = [1.0, 1.0, *(wide / old for wide, old in zip(sides, picture.shape[1:3], strict=True))]
        nearest = node.op == "ResizeNearestNeighbor"
        name = self._add(
            "Resize",
            [picture.name, "", self._weight(np.array(scales, np.float32))],
            mode="nearest" if nearest else "linear",
            coordinate_transformation_mode="half_pixel" if half else "asymmetric",
            nearest_mode="floor" if not half else "round_prefer_ceil",
        )
        return _Tensor(name, (picture.shape[0], *sides, picture.shape[3]), second=True)

    def _reduce(self, node: Node, given: list[_Tensor]) -> _Tensor:
        tensor, keep = given[0], bool(node.attributes.get("keep_dims", node.attributes.get("keepdims", False)))
        rank = len(tensor.shape)
        axes = sorted(int(axis) % rank for axis in _known(given[1]).ravel())
        stored = [_FIRST.index(axis) for axis in axes] if tensor.second else axes
        op = "ReduceMean" if node.op == "Mean" else "ReduceMax"
        name = self._add(op, [self._named(tensor)], axes=sorted(stored), keepdims=int(keep))
        shape = [1 if axis in axes else side for axis, side in enumerate(tensor.shape)]
        if keep:
            return _Tensor(name, tuple(shape), tensor.second)
        left = [side for axis, side in enumerate(tensor.shape) if axis not in axes]
        if tensor.second and axes != [1, 2]:
            raise ModelError(f"the graph's node {node.name!r} reduces the axes {axes}; only 1 and 2 are converted")
        return _Tensor(name, tuple(left))

    def _softmax(self, node: Node, given: list[_Tensor]) -> _Tensor:
        return self._like(given[0], "Softmax", axis=1 if given[0].second else -1)

    def _concat(self, node: Node, given: list[_Tensor]) -> _Tensor:
        *tensors, axis_of = given
        rank = len(tensors[0].shape)
        axis = int(_known(axis_of)) % rank
        second = any(each.second for each in tensors)
        names = [(self._second(each).name if second else self._named(each)) for each in tensors]
        shape = list(tensors[0].shape)
        shape[axis] = sum(each.shape[axis] for each in tensors)
        name = self._add("Concat", names, axis=_FIRST.index(axis) if second else axis)
        return _Tensor(name, tuple(shape), second)

    def _pad(self, node: Node, given: list[_Tensor]) -> _Tensor:
        picture, pads = self._second(given[0]), _known(given[1])
        stored = pads[_FIRST]
        name = self._add("Pad", [picture.name, self._weight(stored.T.ravel())])
        shape = tuple(
            side if side == _BATCH else side + int(each.sum()) for side, each in zip(picture.shape, pads, strict=True)
        )
        return _Tensor(name, shape, second=True)

    def _matmul(self, node: Node, given: list[_Tensor]) -> _Tensor:
        tensor, weight = self._plain(given[0]), _known(given[1])
        if node.attributes.get("transpose_a"):
            raise ModelError(f"the graph's node {node.name!r} transposes its input, which is not converted")
        weight = weight.T if node.attributes.get("transpose_b") else weight
        return _Tensor(self._add("MatMul", [tensor.name, self._weight(weight)]), (tensor.shape[0], weight.shape[1]))

    def _reshape(self, node: Node, given: list[_Tensor]) -> _Tensor:
        if given[0].value is not None:
            return _Tensor("", (), value=given[0].value.reshape(_known(given[1]).tolist()))
        wanted = [int(side) for side in _known(given[1])]
        count = int(np.prod([side for side in given[0].shape if side != _BATCH]))
        # The batch keeps its place; of two unknown sides the other one is what is left.
        rest = [side for side in wanted[1:] if side > 0]
        sides = [side if side > 0 else count // int(np.prod(rest)) for side in wanted[1:]]
        if int(np.prod(sides)) != count:
            raise ModelError(f"the graph's node {node.name!r} reshapes {given[0].shape} to {wanted}, batch and all")
        shape = (_BATCH, *sides)
        if shape == given[0].shape:
            return given[0]
        plain = self._plain(given[0])
        return _Tensor(self._add("Reshape", [plain.name, self._weight(np.array([0, *sides]))]), shape)

    def _squeeze(self, node: Node, given: list[_Tensor]) -> _Tensor:
        axes = node.attributes.get("squeeze_dims") or [i for i, side in enumerate(given[0].shape) if side == 1]
        axes = sorted(axis % len(given[0].shape) for axis in axes)
        plain = self._plain(given[0])
        shape = tuple(side for i, side in enumerate(plain.shape) if i not in axes)
        return _Tensor(self._add("Squeeze", [plain.name, self._weight(np.array(axes))]), shape)

    def _transpose(self, node: Node, given: list[_Tensor]) -> _Tensor:
        order = [int(axis) for axis in _known(given[1])]
        shape = tuple(given[0].shape[axis] for axis in order)
        if given[0].second:
            stored = [_FIRST.index(axis) for axis in order]
            if stored == [0, 1, 2, 3]:
                return _Tensor(given[0].name, shape)
            return _Tensor(self._add("Transpose", [given[0].name], perm=stored), shape)
        return _Tensor(self._add("Transpose", [self._named(given[0])], perm=order), shape)

    def _slice(self, node: Node, given: list[_Tensor]) -> _Tensor:
        """A part of a constant, as of a shape."""
        value, begin, end, step = (_known(each) for each in given)
        start = None if node.attributes.get("begin_mask", 0) & 1 else int(begin[0])
        stop = None if node.attributes.get("end_mask", 0) & 1 else int(end[0])
        if value.ndim != 1:
            raise ModelError(f"the graph's node {node.name!r} slices more than a list, which is not converted")
        found = (
            value[int(begin[0])]
            if node.attributes.get("shrink_axis_mask", 0) & 1
            else value[start : stop : int(step[0])]
        )
        return _Tensor("", np.shape(found), value=np.asarray(found))


def _known(tensor: _Tensor) -> NDArray[Any]:
    if tensor.value is None:
        raise ModelError(f"the graph computes {tensor.name!r}, which must be a constant; freeze it first")
    return tensor.value


def _product(sides: Sequence[int]) -> int:
    """Product of sides; -1 where one is unknown."""
    return _BATCH if _BATCH in sides else int(np.prod(sides))
