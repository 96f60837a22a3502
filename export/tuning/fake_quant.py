"""A graph in torch with the Q/DQ pairs of :func:`export.quantize.insert_qdq.quantize`, and their gradients.

Rounding has no slope, so gradients pass it unchanged (straight-through, Bengio et al., 2013, arXiv:1308.3432); those
of clipped values stop. The ranges of activations are learned, too: Esser et al., 2020, Learned Step Size Quantization,
arXiv:1902.08153. The scale of a weight's channel follows its largest magnitude.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from export.graph.weighted_layers import Layer, shortcuts_of
from export.quantize.insert_qdq import LEVELS
from export.tuning.torch_graph import TorchGraph

_LEAST = 2.0**-100  # as insert_qdq's


class FakeQuantized(TorchGraph):
    """The graph with some layers in INT8.

    Its outputs are those of the Q/DQ graph but for the order of the sums, which may round a value near the middle of
    two levels to the other one.
    """

    def __init__(self, model: ModelProto, layers: Collection[Layer], ranges: Mapping[str, float]) -> None:
        """
        Args:
            model, layers, ranges: see :func:`export.quantize.insert_qdq.quantize`.
        """
        super().__init__(model)
        self._layers = {layer.name: layer for layer in layers}
        self._shortcuts = {each.add: each.data for each in shortcuts_of(model) if each.layer in self._layers}
        read = {*(layer.data for layer in layers), *self._shortcuts.values()}
        self._order = sorted(read)
        self._ranges = nn.ParameterList(torch.tensor(max(ranges[name], _LEAST)).log() for name in self._order)

    @property
    def weight_parameters(self) -> list[nn.Parameter]:
        """The weights and biases of all layers, in INT8 or not."""
        ranges = {id(each) for each in self.range_parameters}
        return [each for each in self.parameters() if id(each) not in ranges]

    @property
    def range_parameters(self) -> list[nn.Parameter]:
        """The logarithms of the ranges, which learn by another rate than weights."""
        return list(self._ranges)

    @property
    def ranges(self) -> dict[str, float]:
        """The clipping range of each activation."""
        return {name: self._range(name).item() for name in self._order}

    def read(self, node: NodeProto, at: int, value: Any) -> Any:
        """Quantize what a pair stands before."""
        layer = self._layers.get(node.name)
        if layer is not None and at == 0:
            return quantized(value, self._range(layer.data) / LEVELS)
        if layer is not None and at == 1:
            return quantized(value, weight_steps(value, layer.axis))
        if self._shortcuts.get(node.name) == node.input[at]:
            return quantized(value, self._range(node.input[at]) / LEVELS)
        return value

    def _range(self, name: str) -> Tensor:
        return self._ranges[self._order.index(name)].exp()


def weight_steps(weights: Tensor, axis: int) -> Tensor:
    """The step of each output channel, without gradient, to be broadcast over the weights."""
    others = [at for at in range(weights.ndim) if at != axis]
    largest = weights.detach().abs().amax(dim=others, keepdim=True)
    return (largest / LEVELS).clamp(min=_LEAST)


def quantized(values: Tensor, step: Tensor) -> Tensor:
    """Values at the levels -128 to 127 times ``step``, with gradients for both."""
    found: Tensor = _Quantize.apply(values, step)
    return found


class _Quantize(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, step: Tensor) -> Tensor:
        scaled = values / step
        level = scaled.round().clamp_(-LEVELS - 1, LEVELS)
        context.save_for_backward(scaled, level)
        return level * step

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor, Tensor | None]:
        (slope,) = slopes
        scaled, level = context.saved_tensors
        inside = (scaled >= -LEVELS - 1) & (scaled <= LEVELS)
        of_step = None
        if context.needs_input_grad[1]:
            of_step = (slope * (level - scaled * inside)).sum()
        return slope * inside, of_step
