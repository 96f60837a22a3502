"""YuNet's published weights as the start of a training: its features find profiles and small faces already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.detection_net.network import BOX, STRIDES, DetectorNet, bias_of
from hpe_edge.errors import ModelError

FILE = "yunet_n_640_640.onnx"
_Pairs = Iterator[tuple[Tensor, Tensor]]
_OWN_GRIDS = len(STRIDES) - 1  # of YuNet; the coarsest grid begins with the weights of the one before
_MEAN, _STD = 127.5, 128.0  # of DetectorNet; YuNet takes levels


def fill(network: DetectorNet, path: Path) -> None:
    """Fill a network with the weights of a YuNet file.

    The score begins as YuNet's objectness, the key points as YuNet's; the box has another form and begins at random.

    Raises:
        ModelError: the file is no YuNet of this size.
    """
    weights = _convolutions(path)
    try:
        _fill(network, iter(weights))
    except (StopIteration, RuntimeError, TypeError) as error:
        raise ModelError(f"{path} is not the YuNet that the detector starts from, {FILE}: {error}") from None


def _fill(network: DetectorNet, weights: _Pairs) -> None:
    with torch.no_grad():
        weight, bias = next(weights)
        network.first.weight.copy_(weight * _STD)
        bias_of(network.first).copy_(bias + weight.sum(dim=(1, 2, 3)) * _MEAN)
        for part in (network.second, network.quarter, *network.grids[:-1], *reversed(network.merge[:-1])):
            _take(part, weights)
        network.grids[-1].load_state_dict(network.grids[-2].state_dict())
        network.merge[-1].load_state_dict(network.merge[-2].state_dict())
        heads = list(network.heads)
        for head in heads:
            _take(head.shared, weights)
        for _ in range(2 * 2 * _OWN_GRIDS):  # cls and bbox
            next(weights)
        for head in heads:
            _take(head.score, weights)
        for head in heads:
            for layer in (head.place[0], head.place[1]):
                weight, bias = next(weights)
                layer.weight[BOX:] = weight
                bias_of(layer)[BOX:] = bias
            bias_of(head.place[1])[BOX:] -= 0.5  # from the cell's centre, not from its corner


def _take(part: nn.Module, weights: _Pairs) -> None:
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            weight, bias = next(weights)
            layer.weight.copy_(weight)
            bias_of(layer).copy_(bias)


def _convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of a file's convolutions, in the order of its graph."""
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # onnx's errors share no base class
        raise ModelError(f"{path} cannot be read as ONNX: {error}") from None
    arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    layers = [node.input[1:3] for node in graph.node if node.op_type == "Conv" and len(node.input) == 3]
    return [
        (torch.from_numpy(np.array(arrays[weight])), torch.from_numpy(np.array(arrays[bias])))
        for weight, bias in layers
        if weight in arrays and bias in arrays
    ]
