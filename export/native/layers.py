"""Layers of the native executor in floating point.

A layer is a convolution with all that follows it before the next one: the addition of a shortcut and ReLU. A matrix
product is a convolution whose kernel covers its input, and an average over the picture a depthwise one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]


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
        half_shortcut: the shortcut has half the height and width, each of its pixels stands for 2 x 2.
        max_pool: no convolution but the largest number under the kernel; of the weights, only the shape counts.
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
    half_shortcut: bool = False
    max_pool: bool = False


@dataclass(frozen=True)
class Shape:
    """Channels, height and width of a tensor."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Output:
    """Columns of the pixels of a tensor, row by row.

    Attributes:
        tensor: in the graph.
        first, columns: which of its channels.
        sigmoid: their sigmoid is given.
    """

    tensor: str
    first: int
    columns: int
    sigmoid: bool = False


@dataclass(frozen=True)
class Network:
    """A lowered graph.

    Attributes:
        input: name of the picture's tensor.
        layers: in the order of execution; each reads the picture or outputs of earlier ones.
        outputs: by their names in the graph.
        shapes: of the picture and of each layer's output.
        multiple: pictures of any height and width that are multiples of it are taken; ``shapes`` are then examples.
            0: only those of ``shapes``.
    """

    input: str
    layers: tuple[Layer, ...]
    outputs: Mapping[str, Output]
    shapes: Mapping[str, Shape]
    multiple: int = 0

    @property
    def output_tensors(self) -> frozenset[str]:
        """The tensors that hold the outputs."""
        return frozenset(output.tensor for output in self.outputs.values())
