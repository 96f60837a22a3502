"""Frozen TensorFlow graphs, written byte by byte: nodes, and MNN's graph with the names of the published ones."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import torch

from export.zoo.mnn import Mnn

_TYPES = {"float32": 1, "int32": 3, "int64": 9}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def whole(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def block(field: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def shape(sides: tuple[int, ...]) -> bytes:
    return b"".join(block(2, whole(1, side)) for side in sides)


def tensor(value: np.ndarray, listed: bool = False) -> bytes:
    """As the bytes of its values, or as a list of them."""
    head = whole(1, _TYPES[str(value.dtype)]) + block(2, shape(value.shape))
    if not listed:
        return head + block(4, value.tobytes())
    if value.dtype == np.float32:
        return head + block(5, value.tobytes())
    return head + block({"int32": 7, "int64": 10}[str(value.dtype)], b"".join(varint(int(v)) for v in value.ravel()))


def attribute(value: Any) -> bytes:
    if isinstance(value, bool):
        return whole(5, value)
    if isinstance(value, int):
        return whole(3, value)
    if isinstance(value, float):
        return varint(4 << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        return block(2, value)
    if isinstance(value, list):
        return block(1, block(3, b"".join(map(varint, value))))
    if isinstance(value, tuple):
        return block(7, shape(value))
    assert isinstance(value, np.ndarray)
    return block(8, tensor(value, listed=value.size < 5))


class Graph:
    """A graph that grows node by node; each method returns its node's name."""

    def __init__(self) -> None:
        self.data = b""
        self._count = 0

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        self._count += 1
        name = name or f"{op}_{self._count}"
        entries = [block(5, block(1, key) + block(2, attribute(value))) for key, value in attributes.items()]
        self.data += block(
            1, block(1, name) + block(2, op) + b"".join(block(3, each) for each in inputs) + b"".join(entries)
        )
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        return self.node("Identity", self.node("Const", value=np.asarray(value, dtype)))

    def conv(self, x: str, conv: torch.nn.Conv2d) -> str:
        stride = conv.stride[0]
        if conv.padding[0] and stride > 1:  # TensorFlow's SAME would pad one side alone
            x = self.node("Pad", x, self.constant([[0, 0], [1, 1], [1, 1], [0, 0]], "int32"))
        weight = self.constant(conv.weight.detach().numpy().transpose(2, 3, 1, 0))
        padding = "VALID" if stride > 1 else "SAME"
        x = self.node("Conv2D", x, weight, strides=[1, stride, stride, 1], padding=padding, data_format="NHWC")
        return x if conv.bias is None else self.node("BiasAdd", x, self.constant(conv.bias.detach().numpy()))

    def conv_bn(self, x: str, parts: torch.nn.Sequential, relu: bool = True) -> str:
        x = self.conv(x, parts[0])
        norm = parts[1]
        values = (norm.weight.detach(), norm.bias.detach(), norm.running_mean, norm.running_var)
        names = [self.constant(each.numpy()) for each in values]
        x = self.node("FusedBatchNormV3", x, *names, epsilon=norm.eps, is_training=False, data_format="NHWC")
        return self.node("Relu", x) if relu else x

    def residual(self, x: str, block_of: Any) -> str:
        inner = self.conv_bn(x, block_of.conv[0])
        inner = self.conv_bn(inner, torch.nn.Sequential(block_of.conv[1], block_of.conv[2]), relu=False)
        return self.node("Relu", self.node("Add", x, inner))

    def batch_of(self, x: str) -> str:
        one, two, zero = (self.constant([n], "int32") for n in (1, 2, 0))
        del two
        return self.node("StridedSlice", self.node("Shape", x), zero, one, one, shrink_axis_mask=1)

    def enlarged(self, x: str, layer: torch.nn.ConvTranspose2d, side: int) -> str:
        numbers = [self.constant(n, "int32") for n in (side, side, layer.out_channels)]
        sizes = self.node("Pack", self.batch_of(x), *numbers, axis=0)
        weight = self.constant(layer.weight.detach().numpy().transpose(2, 3, 1, 0))
        x = self.node("Conv2DBackpropInput", sizes, weight, x, strides=[1, 2, 2, 1], padding="VALID")
        return self.node("BiasAdd", x, self.constant(layer.bias.detach().numpy()))

    def dense(self, x: str, layer: torch.nn.Linear) -> str:
        x = self.node("MatMul", x, self.constant(layer.weight.detach().numpy().T), transpose_a=False, transpose_b=False)
        return self.node("BiasAdd", x, self.constant(layer.bias.detach().numpy()))

    def flat(self, x: str, wide: int) -> str:
        sizes = self.node("Pack", self.batch_of(x), self.constant(wide, "int32"), axis=0)
        return self.node("Reshape", x, sizes)


def mnn_graph(net: Mnn, size: int, landmarks: int) -> bytes:
    """The graph of these weights as Keras and keras_to_tensorflow would write it."""
    g = Graph()
    x = g.conv_bn(g.node("Placeholder", name="input_1", shape=(-1, size, size, 3)), net.stem)
    levels = []
    for block_of, halve in zip(net.encoder, net.halve, strict=True):
        levels.append(g.residual(x, block_of))
        x = g.conv_bn(levels[-1], halve)
    bottleneck = g.flat(x, net.angles.in_features)
    g.node("Identity", g.dense(bottleneck, net.angles), name="k2tfout_1")
    g.node("Identity", g.dense(bottleneck, torch.nn.Linear(net.angles.in_features, 6)), name="k2tfout_2")
    side = size >> len(levels)
    for grow, join, block_of in zip(net.grow, net.join, net.decoder, strict=True):
        side *= 2
        joined = g.node("ConcatV2", g.enlarged(x, grow, side), levels.pop(), g.constant(3, "int32"))
        x = g.residual(g.conv_bn(joined, join), block_of)
    maps = g.node("Transpose", g.conv(x, net.maps), g.constant([0, 3, 1, 2], "int32"))
    flat = g.node("Reshape", maps, g.constant([-1, landmarks, size * size], "int32"))
    g.node("Identity", g.node("Softmax", flat), name="k2tfout_0")
    seen = g.dense(g.node("Mean", x, g.constant([1, 2], "int32"), keep_dims=False), net.seen)
    g.node("Identity", g.node("Sigmoid", seen), name="k2tfout_3")
    return g.data
