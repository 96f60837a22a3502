"""Random .hpe files: every kind of layer, odd channels and sizes, numbers that saturate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.native.hpe_file import FileLayer, FileNetwork, FileOutput, FileTensor, to_bytes

SIZE = 13


MULTIPLE = 8


class _Drawing:
    """Layers of random numbers, one after the other."""

    def __init__(self, rng: np.random.Generator, precision: Any, side: int) -> None:
        self.rng, self.precision = rng, precision
        self.tensors, self.sides = [FileTensor(3)], [side]
        self.layers: list[FileLayer] = []

    def add(self, source: int, channels: int, kernel: tuple[int, int], stride: int, pad: int, **kind: Any) -> int:
        """Add a convolution; returns the number of its output."""
        rng = self.rng
        shortcut, is_output, wide = kind.get("shortcut"), kind.get("is_output", False), kind.get("wide", False)
        relu = not is_output and bool(rng.integers(2))
        zero = 0 if relu or wide or is_output else int(rng.integers(256))
        depthwise, half = kind.get("depthwise", False), kind.get("half_shortcut", False)
        shape = (channels, 1 if depthwise else self.tensors[source].channels, *kernel)
        values = int(np.prod(shape[1:]))
        multipliers = shifts = None
        if self.precision == "int8":
            weights = rng.choice([-127, 127, *range(-126, 127)], shape).astype(np.int8)
            reach = 255 * 70 * np.sqrt(values) * (16 if self.tensors[source].wide else 1)
            bias = rng.normal(0, reach, channels).astype(np.int32)
            multipliers = rng.integers(1 << 13, 1 << 14, channels).astype(np.int16)
            shifts = np.full(channels, max(0, int(np.log2(reach)) - 13)) + rng.integers(0, 3, channels)
            shifts = shifts.astype(np.int32)
            if is_output:
                multipliers, shifts = rng.uniform(1e-6, 1e-4, channels).astype(np.float32), None
        else:
            weights = rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(values))
            bias = rng.normal(size=channels).astype(np.float32)
        target = self._next(source, FileTensor(channels, 1.0, zero, wide), kernel[0], stride, pad)
        self.layers.append(
            FileLayer(
                source,
                target,
                weights,
                bias,
                stride,
                pad,
                depthwise,
                relu,
                shortcut,
                int(rng.integers(0, 32768)),
                multipliers,
                shifts,
                is_output,
                half_shortcut=half,
            )
        )
        return target

    def add_maximum(self, source: int, side: int, stride: int) -> int:
        """Add the largest numbers under a kernel; returns the number of its output."""
        before = self.tensors[source]
        target = self._next(source, before, side, stride, 0)
        shape = np.zeros((before.channels, 1, side, side), np.int8)
        self.layers.append(FileLayer(source, target, shape, shape, stride, 0, False, False, max_pool=True))
        return target

    def _next(self, source: int, tensor: FileTensor, kernel: int, stride: int, pad: int) -> int:
        self.tensors.append(tensor)
        self.sides.append((self.sides[source] + 2 * pad - kernel) // stride + 1)
        return len(self.tensors) - 1

    def channels(self) -> int:
        return int(self.rng.choice([1, 3, 16, 17, 33, 48, 50, 80]))

    def to_bytes(self, size: int, multiple: int, outputs: tuple[FileOutput, ...]) -> bytes:
        pads = tuple(int(each) for each in self.rng.integers(0, 256, 3)) if self.precision == "int8" else (0, 0, 0)
        network = FileNetwork(
            self.precision,
            size,
            pads,  # type: ignore[arg-type]
            tuple(self.tensors),
            tuple(self.layers),
            outputs,
            multiple,
        )
        return to_bytes(network, "{}")


def random_network(rng: np.random.Generator, precision: Any) -> bytes:
    """A picture of 13 pixels, a few convolutions with shortcuts, a depthwise one over the whole, and two heads."""
    net, wide = _Drawing(rng, precision, SIZE), precision == "int8"
    kernel = int(rng.integers(1, 6))
    first = net.add(0, net.channels(), (kernel, kernel), int(rng.integers(1, 3)), int(rng.integers(0, kernel)))
    same = net.tensors[first].channels
    second = net.add(first, net.channels(), (3, 3), 1, 1)
    third = net.add(second, same, (1, 1), 1, 0, shortcut=first)
    fourth = net.add(third, same, (3, 3), 1, 1, depthwise=True, shortcut=third)
    fifth = net.add(fourth, same, (1, 1), 1, 0, shortcut=third, wide=wide)
    side = net.sides[fifth]
    sixth = net.add(fifth, same, (side, side), 1, 0, depthwise=True, wide=wide)
    heads = net.channels(), 5
    outputs = (
        FileOutput(net.add(sixth, heads[0], (1, 1), 1, 0, is_output=True), 0, heads[0]),
        FileOutput(net.add(fourth, heads[1], (net.sides[fourth],) * 2, 1, 0, is_output=True), 0, heads[1]),
    )
    return net.to_bytes(SIZE, 0, outputs)


def random_pyramid(rng: np.random.Generator, precision: Any) -> bytes:
    """A picture whose sides are multiples of 8; maxima, a coarse grid that is added to a fine one, heads on both."""
    net = _Drawing(rng, precision, MULTIPLE)
    first = net.add(0, net.channels(), (3, 3), 2, 1)
    second = net.add_maximum(first, 2, 2)
    fine = net.add(second, net.channels(), (1, 1), 1, 0)
    fine = net.add(fine, net.tensors[fine].channels, (3, 3), 1, 1, depthwise=True)
    coarse = net.add_maximum(fine, 2, 2)
    coarse = net.add(coarse, net.tensors[fine].channels, (3, 3), 1, 1)
    merged = net.add(fine, net.tensors[fine].channels, (1, 1), 1, 0, shortcut=coarse, half_shortcut=True)
    scores = net.add(merged, 1, (3, 3), 1, 1, is_output=True)
    places = net.add(net.add(coarse, 21, (1, 1), 1, 0), 21, (3, 3), 1, 1, depthwise=True, is_output=True)
    return net.to_bytes(
        0, MULTIPLE, (FileOutput(places, 3, 4), FileOutput(scores, 0, 1, sigmoid=True), FileOutput(places, 0, 21))
    )


def random_pictures(
    rng: np.random.Generator, precision: Any, count: int, size: tuple[int, int] = (SIZE, SIZE)
) -> NDArray[Any]:
    """Pictures of noise, black and white ones among them; ``size``: height and width."""
    shape = (count, 3, *size)
    if precision == "fp32":
        return rng.normal(size=shape).astype(np.float32)
    pictures = rng.integers(0, 256, shape, dtype=np.uint8)
    pictures[:1] = 255
    pictures[1:2] = 0
    pictures[2:3] = rng.choice([0, 255], shape[1:])
    return pictures
