"""Bias correction: the mean error that rounding leaves in each channel is taken from the layer's bias.

Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019, arXiv:1906.04721,
section 4.2; the means here are measured on faces. On 618 crops, 60 % of them hard, it brought the embedded network's
mean error from 0.37 to 0.33 degrees and its 99.9th percentile from 2.7 to 1.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.native.hpe_file import FileTensor
from export.native.layers import Layer, Network

_MOST_CROPS = 192
_MOST_WEIGHT, _LEVELS = 127, 255


def correct_bias(
    network: Network,
    pad_levels: tuple[int, int, int],
    tensors: Mapping[str, FileTensor],
    crops: NDArray[np.uint8],
) -> Network:
    """Correct the biases of a network of :func:`export.native.integers.fold_input`.

    Args:
        network: takes levels.
        pad_levels: around the picture.
        tensors: each layer's output as it will be stored.
        crops: ``[N, 3, H, W]`` levels; some of them are used.

    Returns:
        The network with other biases.
    """
    some = crops[:: -(-len(crops) // _MOST_CROPS)].astype(np.float32)
    exact = {network.input: torch.from_numpy(some)}
    rounded = dict(exact)
    outputs = network.output_tensors
    layers = []
    with torch.inference_mode():
        for layer in network.layers:
            if layer.max_pool:
                layers.append(layer)
                for values in (exact, rounded):
                    side = layer.weights.shape[2]
                    values[layer.output] = torch.nn.functional.max_pool2d(values[layer.input], side, layer.stride)
                continue
            weights = torch.tensor(layer.weights)
            wanted = _sums(layer, exact, network.input, pad_levels, weights)
            got = _sums(layer, rounded, network.input, pad_levels, _rounded_weights(weights))
            error = (wanted - got).mean((0, 2, 3))
            layers.append(replace(layer, bias=layer.bias + error.numpy()))
            exact[layer.output] = _finish(layer, wanted, exact)
            result = _finish(layer, got + error[:, None, None], rounded)
            is_byte = layer.output not in outputs and not tensors[layer.output].wide
            rounded[layer.output] = _as_stored(result, tensors[layer.output]) if is_byte else result
    return replace(network, layers=tuple(layers))


def _sums(
    layer: Layer, values: Mapping[str, Tensor], picture: str, pad_levels: tuple[int, int, int], weights: Tensor
) -> Tensor:
    x, pad = values[layer.input], layer.pad
    if pad and layer.input == picture:
        height, width = (side + 2 * pad for side in x.shape[2:])
        levels = torch.tensor(pad_levels, dtype=torch.float32)[:, None, None]
        surrounded = levels.expand(len(x), 3, height, width).clone()
        surrounded[:, :, pad:-pad, pad:-pad] = x
        x, pad = surrounded, 0
    groups = len(weights) if layer.depthwise else 1
    return torch.nn.functional.conv2d(x, weights, torch.tensor(layer.bias), layer.stride, pad, groups=groups)


def _finish(layer: Layer, sums: Tensor, values: Mapping[str, Tensor]) -> Tensor:
    if layer.shortcut is not None:
        other = values[layer.shortcut]
        if layer.half_shortcut:
            other = torch.nn.functional.interpolate(other, scale_factor=2.0, mode="nearest")
        sums = sums + other
    return sums.relu() if layer.relu else sums


def _rounded_weights(weights: Tensor) -> Tensor:
    scale = weights.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / _MOST_WEIGHT
    return (weights / scale).round() * scale


def _as_stored(values: Tensor, tensor: FileTensor) -> Tensor:
    low, high = -tensor.zero_point, _LEVELS - tensor.zero_point
    return (values / tensor.scale).round().clamp(low, high) * tensor.scale
