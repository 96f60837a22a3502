"""Decode of head outputs as ONNX nodes: the formulas of ``csrc/decode/decode.h`` with operators that TensorRT has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hpe_edge.spec import AnglesDecode, BinHead, BinsDecode, ModelSpec, Rot6dDecode, RotationDecode

PREFIX = "hpe_pose"  # of all names of nodes and tensors

_DEGREES = 180.0 / math.pi
_TINY = 1e-30  # in place of a divisor of 0
_LOCKED = 1e-6  # see angles_from_label_matrix
_PARALLEL = 1e-6  # see matrix_from_6d


class Nodes:
    """Nodes with unique names. Columns are tensors ``[N, 1]``, by name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.heads: dict[str, str] = {}  # output of the model -> tensor, float32 [N, C]

    def add(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append a node; returns its output."""
        name = f"{PREFIX}/{len(self.nodes)}_{op.lower()}"
        self.nodes.append(helper.make_node(op, inputs, [output or f"{name}_out"], name=name, **attributes))
        return output or f"{name}_out"

    def constant(self, values: ArrayLike, dtype: type = np.float32) -> str:
        """Append a constant; returns its name."""
        name = f"{PREFIX}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def columns(self, output: str, first: int, count: int) -> str:
        """Some columns of one of the model's outputs."""
        bounds = (self.constant([at], np.int64) for at in (first, first + count, 1))
        return self.add("Slice", self.heads[output], *bounds)

    def times(self, tensor: str, factor: float) -> str:
        """A tensor times a number."""
        return tensor if factor == 1 else self.add("Mul", tensor, self.constant([[factor]]))

    def total(self, *terms: str) -> str:
        """Sum of columns."""
        first, *rest = terms
        for each in rest:
            first = self.add("Add", first, each)
        return first

    def row_sum(self, tensor: str) -> str:
        """Sum of each row of ``[N, C]``."""
        return self.add("ReduceSum", tensor, self.constant([1], np.int64), keepdims=1)

    def weighted_sum(self, tensor: str, weights: ArrayLike) -> str:
        """Sum of each row times ``[C]`` weights; no MatMul, whose factors TensorRT rounds to TF32."""
        return self.row_sum(self.add("Mul", tensor, self.constant(np.asarray(weights)[None])))

    def length(self, *parts: str) -> str:
        """Square root of the sum of squares."""
        return self.add("Sqrt", self.total(*(self.add("Mul", part, part) for part in parts)))

    def angle(self, y: str, x: str) -> str:
        """Angle of the point in degrees, as ``atan2`` gives it; 0 where both are 0."""
        small = self.add("Less", self.add("Abs", x), self.constant([[_TINY]]))
        divisor = self.add("Where", small, self.constant([[_TINY]]), x)
        within = self.add("Atan", self.add("Div", y, divisor))
        below, left = (self.add("Less", each, self.constant([[0]])) for each in (y, x))
        half = self.add("Where", below, self.constant([[-math.pi]]), self.constant([[math.pi]]))
        turn = self.add("Where", left, half, self.constant([[0]]))
        return self.times(self.add("Add", within, turn), _DEGREES)

    def sine_cosine(self, angle_deg: str) -> tuple[str, str]:
        """Sine and cosine of degrees."""
        radians = self.times(angle_deg, 1 / _DEGREES)
        return self.add("Sin", radians), self.add("Cos", radians)


def add_decode(nodes: Nodes, spec: ModelSpec, output: str) -> int:
    """Append the decode of a spec; returns the number of the output's columns.

    Args:
        nodes: receives it; its ``heads`` name the model's outputs.
        spec: of the model.
        output: name of the result: float32 ``[N, 6]`` with yaw, pitch, roll and their calibrated sigma in degrees, or
            ``[N, 3]`` for heads without a distribution.
    """
    decode = spec.decode
    if isinstance(decode, BinsDecode):
        heads = (decode.yaw, decode.pitch, decode.roll)
        factors = (1.0, 1.0, 1.0) if spec.sigma is None else spec.sigma.factors
        found = [_bins(nodes, head, factor) for head, factor in zip(heads, factors, strict=True)]
        angles = [angle for angle, _ in found]
        columns = [*(angles if decode.order == "xyz" else _from_zxy(nodes, angles)), *(sigma for _, sigma in found)]
    elif isinstance(decode, AnglesDecode):
        columns = [
            nodes.times(nodes.columns(head.output, head.column, 1), head.factor)
            for head in (decode.yaw, decode.pitch, decode.roll)
        ]
    else:
        columns = _from_label_matrix(nodes, _matrix(nodes, decode), decode)
    nodes.add("Concat", *columns, output=output, axis=1)
    return len(columns)


def _bins(nodes: Nodes, head: BinHead, factor: float) -> tuple[str, str]:
    """Expected angle and calibrated deviation of a head, in degrees."""
    values = head.first_deg + head.step_deg * np.arange(head.count)
    share = nodes.add("Softmax", nodes.columns(head.output, head.column, head.count), axis=1)
    if head.circular:
        turns = np.deg2rad(values)
        sine, cosine = (nodes.weighted_sum(share, f(turns)) for f in (np.sin, np.cos))
        radius = nodes.add("Min", nodes.length(sine, cosine), nodes.constant([[1]]))
        spread = nodes.add("Sqrt", nodes.times(nodes.add("Log", radius), -2))
        return nodes.angle(sine, cosine), nodes.times(spread, _DEGREES * factor)
    mean = nodes.weighted_sum(share, values)
    apart = nodes.add("Sub", nodes.constant(values[None]), mean)
    variance = nodes.row_sum(nodes.add("Mul", nodes.add("Mul", apart, apart), share))
    return mean, nodes.times(nodes.add("Sqrt", variance), factor)


def _from_zxy(nodes: Nodes, angles: list[str]) -> list[str]:
    """The label triple of R = Rz(roll) Rx(-pitch) Ry(yaw), see angles_from_zxy."""
    (sy, cy), (sp, cp), (sz, cz) = (nodes.sine_cosine(each) for each in angles)

    def product(*factors: str) -> str:
        first, *rest = factors
        for each in rest:
            first = nodes.add("Mul", first, each)
        return first

    def less(a: str, b: str) -> str:
        return nodes.add("Sub", a, b)

    minus = [nodes.add("Neg", each) for each in (sp, cp, sz)]
    r00 = nodes.total(product(cz, cy), product(sz, sp, sy))
    r01, r02 = product(minus[2], cp), less(product(cz, sy), product(sz, sp, cy))
    r10, r11 = less(product(sz, cy), product(cz, sp, sy)), product(cz, cp)
    r12 = nodes.total(product(sz, sy), product(cz, sp, cy))
    r20, r21, r22 = product(minus[1], sy), minus[0], product(cp, cy)
    behind = nodes.add("Less", r22, nodes.constant([[0]]))
    side = nodes.add("Where", behind, nodes.constant([[-1]]), nodes.constant([[1]]))
    pitch = nodes.angle(product(side, r12), product(side, r22))
    s, c = nodes.sine_cosine(pitch)
    return [
        nodes.angle(r02, product(side, nodes.length(r00, r01))),
        pitch,
        nodes.angle(less(product(c, r10), product(s, r20)), less(product(c, r11), product(s, r21))),
    ]


def _from_label_matrix(nodes: Nodes, m: list[str], decode: RotationDecode) -> list[str]:
    """The label triple of a matrix of nine columns, see angles_from_label_matrix."""
    cy = nodes.length(m[0], m[3])
    locked = nodes.add("Less", cy, nodes.constant([[_LOCKED]]))
    nothing = nodes.constant([[0]])
    pitch = nodes.add("Where", locked, nodes.angle(nodes.add("Neg", m[5]), m[4]), nodes.angle(m[7], m[8]))
    roll = nodes.add("Where", locked, nothing, nodes.angle(m[3], m[0]))
    # A NaN anywhere in the matrix is one in the pose.
    poison = nodes.times(nodes.total(*m), 0)
    yaw = nodes.add("Add", poison, nodes.angle(nodes.add("Neg", m[6]), cy))
    return [nodes.times(each, sign) for each, sign in zip((yaw, pitch, roll), decode.signs, strict=True)]


def _matrix(nodes: Nodes, decode: RotationDecode) -> list[str]:
    """Nine columns of the network's matrix, row-major."""
    own = [nodes.columns(decode.output, decode.column + at, 1) for at in range(decode.width)]
    if decode.width == 9:
        return own
    return _matrix_from_6d(nodes, own) if isinstance(decode, Rot6dDecode) else _matrix_from_quaternion(nodes, own)


def _matrix_from_6d(nodes: Nodes, v: list[str]) -> list[str]:
    a, b = _by_largest(nodes, v[:3]), _by_largest(nodes, v[3:])
    x = _divided(nodes, a, nodes.length(*a))
    c = _cross(nodes, x, b)
    length = nodes.length(*c)
    parallel = nodes.add("Less", length, nodes.constant([[_PARALLEL]]))
    z = _divided(nodes, c, nodes.add("Where", parallel, nodes.constant([[math.nan]]), length))
    y = _cross(nodes, z, x)
    return [each for row in zip(x, y, z, strict=True) for each in row]


def _matrix_from_quaternion(nodes: Nodes, q: list[str]) -> list[str]:
    w, x, y, z = _by_largest(nodes, q)
    square = [nodes.add("Mul", each, each) for each in (w, x, y, z)]
    s = nodes.add("Div", nodes.constant([[2]]), nodes.total(*square))

    def product(a: str, b: str) -> str:
        return nodes.add("Mul", s, nodes.add("Mul", a, b))

    def diagonal(a: str, b: str) -> str:
        return nodes.add("Sub", nodes.constant([[1]]), nodes.add("Add", product(a, a), product(b, b)))

    def plus(a: str, b: str, c: str, d: str) -> str:
        return nodes.add("Add", product(a, b), product(c, d))

    def less(a: str, b: str, c: str, d: str) -> str:
        return nodes.add("Sub", product(a, b), product(c, d))

    return [
        diagonal(y, z), less(x, y, w, z), plus(x, z, w, y),
        plus(x, y, w, z), diagonal(x, z), less(y, z, w, x),
        less(x, z, w, y), plus(y, z, w, x), diagonal(x, y),
    ]  # fmt: skip


def _by_largest(nodes: Nodes, v: list[str]) -> list[str]:
    """Columns divided by their largest magnitude, so that no square overflows or vanishes."""
    largest = nodes.add("Abs", v[0])
    for each in v[1:]:
        largest = nodes.add("Max", largest, nodes.add("Abs", each))
    return _divided(nodes, v, largest)


def _divided(nodes: Nodes, v: list[str], by: str) -> list[str]:
    return [nodes.add("Div", each, by) for each in v]


def _cross(nodes: Nodes, a: list[str], b: list[str]) -> list[str]:
    return [
        nodes.add("Sub", nodes.add("Mul", a[i], b[k]), nodes.add("Mul", a[k], b[i]))
        for i, k in ((1, 2), (2, 0), (0, 1))
    ]
