"""Random .hpe files: every kind of layer, odd channels and sizes, numbers that saturate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.native.hpe_file import FileLayer, FileNetwork, FileTensor, to_bytes

SIZE = 13


def random_network(rng: np.random.Generator, precision: Any) -> bytes:
    """A picture of 13 pixels, a few convolutions with shortcuts, a depthwise one over the whole, and two heads."""
    integers = precision == "int8"
    tensors, sides = [FileTensor(3)], [SIZE]
    layers: list[FileLayer] = []

    def add(source: int, channels: int, kernel: tuple[int, int], stride: int, pad: int, **kind: Any) -> int:
        side = (sides[source] + 2 * pad - kernel[0]) // stride + 1
        shortcut, is_output, wide = kind.get("shortcut"), kind.get("is_output", False), kind.get("wide", False)
        relu = not is_output and bool(rng.integers(2))
        zero = 0 if relu or wide or is_output else int(rng.integers(256))
        tensors.append(FileTensor(channels, 1.0, zero, wide))
        sides.append(side)
        depthwise = kind.get("depthwise", False)
        shape = (channels, 1 if depthwise else tensors[source].channels, *kernel)
        values = int(np.prod(shape[1:]))
        if not integers:
            weights = rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(values))
            bias = rng.normal(size=channels).astype(np.float32)
            layers.append(
                FileLayer(source, len(tensors) - 1, weights, bias, stride, pad, depthwise, relu, shortcut,
                          float_output=is_output)
            )  # fmt: skip
            return len(tensors) - 1
        weights = rng.choice([-127, 127, *range(-126, 127)], shape).astype(np.int8)
        reach = 255 * 70 * np.sqrt(values) * (16 if tensors[source].wide else 1)
        bias = rng.normal(0, reach, channels).astype(np.int32)
        multipliers = rng.integers(1 << 13, 1 << 14, channels).astype(np.int16)
        shifts = np.full(channels, max(0, int(np.log2(reach)) - 13)) + rng.integers(0, 3, channels)
        layers.append(
            FileLayer(
                source,
                len(tensors) - 1,
                weights,
                bias,
                stride,
                pad,
                depthwise,
                relu,
                shortcut,
                int(rng.integers(0, 32768)),
                rng.uniform(1e-6, 1e-3, channels).astype(np.float32) if is_output else multipliers,
                None if is_output else shifts.astype(np.int32),
                is_output,
            )
        )
        return len(tensors) - 1

    def some_channels() -> int:
        return int(rng.choice([1, 3, 16, 17, 33, 48, 50, 80]))

    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    first = add(0, some_channels(), (kernel[0], kernel[0]), int(rng.integers(1, 3)), int(rng.integers(0, kernel[0])))
    second = add(first, some_channels(), (3, 3), 1, 1)
    third = add(second, tensors[first].channels, (1, 1), 1, 0, shortcut=first)
    fourth = add(third, tensors[third].channels, (3, 3), 1, 1, depthwise=True, shortcut=third)
    fifth = add(fourth, tensors[third].channels, (1, 1), 1, 0, shortcut=third, wide=integers)
    side = sides[fifth]
    sixth = add(fifth, tensors[fifth].channels, (side, side), 1, 0, depthwise=True, wide=integers)
    outputs = (
        add(sixth, some_channels(), (1, 1), 1, 0, is_output=True),
        add(fourth, 5, (sides[fourth], sides[fourth]), 1, 0, is_output=True),
    )
    pads = tuple(int(each) for each in rng.integers(0, 256, 3)) if integers else (0, 0, 0)
    network = FileNetwork(precision, SIZE, pads, tuple(tensors), tuple(layers), outputs)  # type: ignore[arg-type]
    return to_bytes(network, "{}")


def random_pictures(rng: np.random.Generator, precision: Any, count: int) -> NDArray[Any]:
    """Pictures of noise, black and white ones among them."""
    shape = (count, 3, SIZE, SIZE)
    if precision == "fp32":
        return rng.normal(size=shape).astype(np.float32)
    pictures = rng.integers(0, 256, shape, dtype=np.uint8)
    pictures[:1] = 255
    pictures[1:2] = 0
    pictures[2:3] = rng.choice([0, 255], shape[1:])
    return pictures
