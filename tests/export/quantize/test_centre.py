"""Centring: the same outputs, half the noise, and only where it pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_nets
from onnx import ModelProto, helper, numpy_helper

from export.graph.onnx_file import open_unchanged
from export.graph.weighted_layers import layers_of
from export.quantize.calibrate import find_bounds, find_channels
from export.quantize.centre import centre, middles
from export.quantize.insert_qdq import candidates, quantize, tensors_to_calibrate
from export.quantize.qdq_rules import check

PATH = Path("net.onnx")


@pytest.fixture
def net() -> ModelProto:
    return tiny_nets.residual_net()


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((32, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32)


def outputs(model: ModelProto, images: np.ndarray, name: str = "angles") -> np.ndarray:
    watched = ModelProto.FromString(model.SerializeToString())
    del watched.graph.output[:]
    watched.graph.output.append(helper.make_tensor_value_info(name, 1, None))
    return open_unchanged(PATH, watched).run([name], {"image": images})[0]


def middle_of(net: ModelProto, images: np.ndarray) -> dict[str, float]:
    return middles(find_bounds(PATH, net, tensors_to_calibrate(net, candidates(net)), images))


def in_int8(model: ModelProto, images: np.ndarray) -> ModelProto:
    """All layers, with ranges that clip nothing."""
    layers = candidates(model)
    found = find_channels(PATH, model, tensors_to_calibrate(model, layers), images)
    return quantize(model, layers, {name: float(values.max()) for name, values in found.items()})


def test_outputs_stay_the_same(net, images):
    """Also at the border, whose zero padding becomes explicit, and behind the Add, whose shortcut is shifted."""
    middle = middle_of(net, images)
    assert set(middle) == {"stem_out", "first_out", "sum_out"}  # all behind ReLU
    centred = centre(net, candidates(net), middle, rounded=False)
    kinds = [node.op_type for node in centred.graph.node]
    assert kinds.count("Sub") == 3 and kinds.count("Pad") == 2
    for name in ("f", "sum", "d", "angles"):
        wanted = outputs(net, images, name)
        assert np.abs(outputs(centred, images, name) - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert (
        np.abs(outputs(centred, images, "stem_out_centred")).max()
        < 0.51 * np.abs(outputs(net, images, "stem_out")).max()
    )


def test_the_noise_of_int8_falls(net, images):
    """That of activations by half; that of weights stays, so both by a quarter at least."""
    middle = middle_of(net, images)
    wanted = outputs(net, images, "d")
    plain, ours = (
        outputs(in_int8(model, images), images, "d") - wanted for model in (net, centre(net, candidates(net), middle))
    )
    assert ours.std() < 0.75 * plain.std()
    assert check(in_int8(centre(net, candidates(net), middle), images)) == []


def test_the_rounded_weights_count(net, images):
    """By hand: one layer, its bias raised by the middle times the sum of the rounded weights of each output."""
    layer = next(each for each in candidates(net) if each.name == "second")
    centred = centre(net, [layer], {"first_out": 2.0})
    held = {each.name: numpy_helper.to_array(each) for each in centred.graph.initializer}
    kernel, bias = held["second.w"].astype(np.float64), held["second.b"]
    steps = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True) / 127
    wanted = bias + 2 * (np.rint(kernel / steps) * steps).sum(axis=(1, 2, 3))
    assert held["second_bias_centred"] == pytest.approx(wanted, abs=1e-4)
    (node,) = (node for node in centred.graph.node if node.name == "second")
    assert list(node.input) == ["first_out_centred", "second.w", "second_bias_centred"]


def test_layers_in_float32_are_left_alone(net, images):
    middle = middle_of(net, images)
    layer = next(each for each in candidates(net) if each.name == "depthwise")
    centred = centre(net, [layer], middle)
    changed = [node.name for node in centred.graph.node if node.op_type in ("Sub", "Pad")]
    assert changed == ["sum_out_centred", "sum_out_centred_padded_1_1_1_1"]
    assert [each.name for each in layers_of(centred)] == [each.name for each in layers_of(net)]
    assert centre(net, [], middle) == net


def test_only_ranges_far_from_symmetric_have_a_middle():
    found = middles(
        {"relu": (0.0, 4.0), "even": (-3.0, 3.0), "some": (-1.0, 4.0), "little": (-2.0, 4.0), "none": (0, 0)}
    )
    assert found == {"relu": 2.0, "some": 1.5}
