"""Integer layers of the native executor: weights, biases and requantisation of a lowered network.

Sums are 32 bits wide. With s the shift and M the multiplier of an output channel, all in integers:

    t = saturate16(sum >> s)
    u = (t * M + 2**14) >> 15
    u = saturate16(u + (((shortcut - its zero point) * 2**7 * R + 2**14) >> 15))    where there is a shortcut
    output = clamp((saturate16(u + 16 * zero point + 8)) >> 4, 0, 255)

The bias holds 2**(s - 1), so that the first shift rounds, and minus the input's zero point times the weights' sum. u
has four bits below the output's unit and M 14 bits, so that the last rounding is the one that counts. ReLU is the
clamp, as its zero point is 0. A wide output is u itself, or max(u, 0), whose unit it then has: the layers that sum up
the whole picture read wide tensors, as their few numbers make the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.native.hpe_file import FileLayer, FileNetwork, FileOutput, FilePrecision, FileTensor, numbers
from export.native.layers import Layer, Network
from hpe_edge.errors import ModelError
from hpe_edge.spec import Input

Ranges = Mapping[str, tuple[float, float]]

_LEVELS = 255
_MOST_WEIGHT = 127
_FRACTION = 4  # bits of u below the output's unit
_WIDE_LEVELS = 8000  # of a wide tensor to either side: u of the largest t is 8191 at least
_SHORTCUT_BITS = 7
_LARGEST_SUM = 1 << 29
_LEAST_MULTIPLIER = 1 << 13
_MOST_MULTIPLIER = (1 << 15) - 1
_MOST_SHIFT = 31


def fold_input(network: Network, input: Input) -> tuple[Network, tuple[int, int, int]]:
    """Fold the input's normalisation into the layers that read the picture, which then take levels 0..255.

    Returns:
        The network, and the levels of the three channels that stand for 0 around the picture.
    """
    gain = np.array([input.scale / std for std in input.std])
    offset = np.array([-mean / std for mean, std in zip(input.mean, input.std, strict=True)])
    layers = []
    for layer in network.layers:
        if layer.input == network.input:
            if layer.depthwise:
                raise ModelError(f"{layer.name}: a depthwise convolution of the picture cannot be INT8")
            weights = layer.weights.astype(np.float64)
            bias = layer.bias + np.einsum("oihw,i->o", weights, offset)
            scaled = (weights * gain[:, None, None]).astype(np.float32)
            layer = replace(layer, weights=scaled, bias=bias.astype(np.float32))
        if layer.shortcut == network.input:
            raise ModelError(f"{layer.name} adds the picture itself, which the native executor cannot")
        layers.append(layer)
    red, green, blue = (int(each) for each in np.clip(np.round(-offset / gain), 0, _LEVELS))
    return replace(network, layers=tuple(layers)), (red, green, blue)


def measured_tensors(network: Network) -> list[str]:
    """Names of the tensors whose ranges :func:`stored_tensors` needs."""
    outputs = network.output_tensors
    return [layer.output for layer in network.layers if layer.output not in outputs and not layer.max_pool]


def stored_tensors(network: Network, ranges: Ranges) -> dict[str, FileTensor]:
    """Choose how the tensors of an integer network are stored.

    Args:
        network: of :func:`fold_input`.
        ranges: smallest and largest value of each convolution's output that is not one of the network.

    Raises:
        ModelError: a range is not finite.
    """
    outputs = network.output_tensors
    wide = _wide_tensors(network)
    tensors = {network.input: FileTensor(3)}
    for layer in network.layers:
        channels, name = network.shapes[layer.output].channels, layer.output
        if layer.max_pool:
            tensors[name] = tensors[layer.input]
        elif name in outputs:
            tensors[name] = FileTensor(channels)
        else:
            tensors[name] = _tensor(channels, layer.relu, ranges[name], wide=name in wide)
    return tensors


def to_integers(network: Network, pad_levels: tuple[int, int, int], tensors: Mapping[str, FileTensor]) -> FileNetwork:
    """Quantize a network of :func:`fold_input`.

    Args:
        network: takes levels.
        pad_levels: around the picture.
        tensors: of :func:`stored_tensors`.

    Raises:
        ModelError: the numbers of a layer leave the range of its integers.
    """
    at = numbers(list(tensors))
    outputs = network.output_tensors
    layers = (_layer(layer, tensors, at, layer.output in outputs) for layer in network.layers)
    return _file("int8", network, pad_levels, tensors, tuple(layers))


def to_floats(network: Network) -> FileNetwork:
    """Return the network in FP32."""
    tensors = {name: FileTensor(shape.channels) for name, shape in network.shapes.items()}
    at, outputs = numbers(list(tensors)), network.output_tensors
    layers = (_unchanged(layer, at, layer.output in outputs) for layer in network.layers)
    return _file("fp32", network, (0, 0, 0), tensors, tuple(layers))


def _file(
    precision: FilePrecision,
    network: Network,
    pad_levels: tuple[int, int, int],
    tensors: Mapping[str, FileTensor],
    layers: tuple[FileLayer, ...],
) -> FileNetwork:
    at = numbers(list(tensors))
    outputs = [FileOutput(at[each.tensor], each.first, each.columns, each.sigmoid) for each in network.outputs.values()]
    size = 0 if network.multiple else network.shapes[network.input].height
    return FileNetwork(precision, size, pad_levels, tuple(tensors.values()), layers, tuple(outputs), network.multiple)


def _unchanged(layer: Layer, at: Mapping[str, int], is_output: bool) -> FileLayer:
    return FileLayer(
        at[layer.input],
        at[layer.output],
        layer.weights,
        layer.bias,
        layer.stride,
        layer.pad,
        layer.depthwise and not layer.max_pool,
        layer.relu,
        None if layer.shortcut is None else at[layer.shortcut],
        float_output=is_output,
        max_pool=layer.max_pool,
        half_shortcut=layer.half_shortcut,
    )


def _wide_tensors(network: Network) -> set[str]:
    """Tensors that are read only by convolutions whose output is a single pixel."""
    read = {layer.input for layer in network.layers} - {network.input}
    for layer in network.layers:
        shape = network.shapes[layer.output]
        if (shape.height, shape.width) != (1, 1) or layer.max_pool:
            read.discard(layer.input)
        if layer.max_pool:
            read.discard(layer.output)
        read.discard(layer.shortcut or "")
    return read


def _tensor(channels: int, relu: bool, range_: tuple[float, float], *, wide: bool) -> FileTensor:
    low, high = (0.0, range_[1]) if relu else (min(range_[0], 0.0), max(range_[1], 0.0))
    if not math.isfinite(high - low):
        raise ModelError(f"a range of activations is {range_}; use other calibration images")
    if wide:
        return FileTensor(channels, float(np.float32(max(-low, high, 1e-6) / _WIDE_LEVELS)), wide=True)
    scale = max(high - low, 1e-6) / _LEVELS
    return FileTensor(channels, float(np.float32(scale)), round(-low / scale))


def _layer(layer: Layer, tensors: Mapping[str, FileTensor], at: Mapping[str, int], is_output: bool) -> FileLayer:
    if layer.max_pool:
        return _unchanged(layer, at, is_output)
    source, target = tensors[layer.input], tensors[layer.output]
    reach = 1.0 if is_output else target.scale * (_WIDE_LEVELS if target.wide else _LEVELS)
    fraction = 0 if target.wide else _FRACTION
    weight_scale = _weight_scales(layer, source.scale, reach)
    weights = np.round(layer.weights / weight_scale[:, None, None, None])
    weights = np.clip(weights, -_MOST_WEIGHT, _MOST_WEIGHT).astype(np.int8)
    bias = np.round(layer.bias.astype(np.float64) / (source.scale * weight_scale))
    bias -= source.zero_point * weights.sum((1, 2, 3), dtype=np.int64)
    factor = source.scale * weight_scale
    multipliers: NDArray[Any]
    shifts: NDArray[np.int32] | None
    if is_output:
        multipliers, shifts = factor.astype(np.float32), None
    else:
        multipliers, shifts = _requantisation(layer, factor / target.scale, 15 + fraction)
        bias += np.where(shifts > 0, np.exp2(shifts - 1.0), 0)
    shortcut_multiplier = 0
    if layer.shortcut is not None:
        ratio = tensors[layer.shortcut].scale / target.scale
        shortcut_multiplier = round(ratio * 2 ** (15 + fraction - _SHORTCUT_BITS))
        if shortcut_multiplier > _MOST_MULTIPLIER:
            raise ModelError(f"{layer.name}: the shortcut has {ratio:.1f} times the sum's unit, which is too much")
    return FileLayer(
        at[layer.input],
        at[layer.output],
        weights,
        bias.astype(np.int32),
        layer.stride,
        layer.pad,
        layer.depthwise,
        layer.relu,
        None if layer.shortcut is None else at[layer.shortcut],
        shortcut_multiplier,
        multipliers,
        shifts,
        is_output,
        half_shortcut=layer.half_shortcut,
    )


def _weight_scales(layer: Layer, in_scale: float, reach: float) -> NDArray[np.float64]:
    """Scale of each output channel ``[O]``: by its largest weight, unless sums that reach so far leave 32 bits."""
    largest = np.abs(layer.weights).max((1, 2, 3)).astype(np.float64)
    farthest = np.maximum(np.abs(layer.bias), reach)
    return np.asarray(np.maximum(largest / _MOST_WEIGHT, farthest / (_LARGEST_SUM * in_scale)), np.float64)


def _requantisation(
    layer: Layer, factor: NDArray[np.float64], bits: int
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Multiplier and shift of each channel, for a sum whose unit is ``factor`` of the output's, times 2**bits."""
    shifts = np.clip(np.ceil(np.log2(_LEAST_MULTIPLIER / factor) - bits), 0, _MOST_SHIFT).astype(np.int32)
    multipliers = np.round(factor * np.exp2(bits + shifts))
    if multipliers.max() > _MOST_MULTIPLIER:
        raise ModelError(
            f"{layer.name}: a step of its input is {_MOST_WEIGHT * factor.max():.0f} steps of its output, which INT8 "
            "cannot resolve; use other calibration images, or --fp32"
        )
    return multipliers.astype(np.int16), shifts
