"""Fake quantization against the Q/DQ graph in ONNX Runtime, and its gradients against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_nets
import torch

from export.graph.onnx_file import open_unchanged
from export.graph.weighted_layers import name_nodes
from export.quantize.insert_qdq import candidates, quantize, tensors_to_calibrate
from export.tuning.fake_quant import FakeQuantized, quantized
from hpe_edge.models import DEFAULT

RANGES = {"stem_out": 3.0, "first_out": 4.0, "sum_out": 5.0}


def both(model, layers, ranges, image):
    """Outputs of the torch module, and of the Q/DQ graph with the module's ranges."""
    net = FakeQuantized(model, layers, ranges)
    with torch.inference_mode():
        (ours,) = net(torch.from_numpy(image))
    session = open_unchanged(Path("net.onnx"), quantize(model, layers, net.ranges))
    return ours.numpy(), session.run(None, {model.graph.input[0].name: image})[0]


@pytest.mark.parametrize("left_out", [None, "first", "second", "depthwise"])
def test_the_module_computes_the_graph_with_pairs(rng, left_out):
    model = tiny_nets.residual_net()
    image = rng.standard_normal((8, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32)
    layers = [layer for layer in candidates(model) if layer.name != left_out]
    ours, theirs = both(model, layers, RANGES, image)
    plain, _ = both(model, [], {}, image)
    moved = np.abs(theirs - plain).max()
    assert moved > 0.05
    assert np.abs(ours - theirs).max() < 0.02 * moved


def test_so_does_the_embedded_network(rng):
    """On noise, where a sum near the middle of two levels is rarest; most outputs are equal to the last bits."""
    model = onnx.load(DEFAULT)
    name_nodes(model)
    layers = candidates(model)
    ranges = dict.fromkeys(tensors_to_calibrate(model, layers), 6.0)
    size = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    image = rng.standard_normal((4, 3, size, size)).astype(np.float32)
    ours, theirs = both(model, layers, ranges, image)
    plain, _ = both(model, [], {}, image)
    assert np.abs(ours - theirs).mean() < 0.02 * np.abs(theirs - plain).mean()


def test_levels_and_slopes():
    """At a step of 0.5: rounded half to even, clipped at -128 and 127; both slopes by hand."""
    values = torch.tensor([0.2, 0.25, 0.75, -0.3, 63.4, 70.0, -64.1, -90.0], requires_grad=True)
    step = torch.tensor(0.5, requires_grad=True)
    found = quantized(values, step)
    assert found.tolist() == [0.0, 0.0, 1.0, -0.5, 63.5, 63.5, -64.0, -64.0]
    found.sum().backward()
    inside = [1, 1, 1, 1, 1, 0, 0, 0]
    assert values.grad is not None and values.grad.tolist() == inside
    rounding = [-0.4, -0.5, 0.5, -0.4, 0.2, 127.0, -128.0, -128.0]  # level minus value over step, or the last level
    assert step.grad is not None and step.grad.item() == pytest.approx(sum(rounding), abs=1e-4)


def test_gradients_reach_weights_and_ranges(rng):
    model = tiny_nets.residual_net()
    net = FakeQuantized(model, candidates(model), RANGES)
    image = torch.from_numpy(rng.standard_normal((2, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32))
    net(image)[0].square().sum().backward()
    assert len(net.range_parameters) == 3
    parameters = [*net.range_parameters, *net.weight_parameters]
    assert len(parameters) == 3 + 2 * 5
    assert all(each.grad is not None and each.grad.abs().max() > 0 for each in parameters)
