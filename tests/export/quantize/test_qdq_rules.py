"""TensorRT's rules: each finds what breaks it, and the graphs made here break none, whatever the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_nets
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from rule_weights import rule_state

from export import zoo
from export.graph import trace as graph
from export.graph.weighted_layers import name_nodes
from export.quantize.calibrate import find_channels
from export.quantize.equalize import equalize
from export.quantize.fp16_graph import to_half
from export.quantize.insert_qdq import candidates, quantize, tensors_to_calibrate
from export.quantize.qdq_rules import RULES, check

# One family of each backbone that takes a second or less; the others differ from these in depth or heads only. AlexNet,
# which is all fully connected layers, is left out for its size.
BACKBONES = [
    "lightweight",
    "hopenet-lite",
    "lenet5",
    "resnet18-6d",
    "6drepnet2",
    "ehpnet-res2net50",
    "ehpnet-botnet50",
    "fsanet-1x1",
    "fsanet-var",
    "whenet",
    "6drepnet-a0",
    "mobilenetv2-6d",
    "mobilenetv3-small-6d",
    "opal23-6d",
]


@pytest.fixture
def good() -> ModelProto:
    net = tiny_nets.residual_net()
    return quantize(net, candidates(net), {"stem_out": 3.0, "first_out": 4.0, "sum_out": 5.0})


def node(model: ModelProto, name: str) -> NodeProto:
    return next(each for each in model.graph.node if each.name == name)


def tensor(model: ModelProto, name: str) -> TensorProto:
    return next(each for each in model.graph.initializer if each.name == name)


def set_tensor(model: ModelProto, name: str, values: np.ndarray) -> None:
    tensor(model, name).CopyFrom(numpy_helper.from_array(values, name))


def no_zero_point(model):
    del node(model, "first_0_quantized").input[2]


def computed_scale(model):
    model.graph.node.insert(0, helper.make_node("Identity", ["stem_out_scale"], ["moved"], name="identity"))
    node(model, "first_0_quantized").input[1] = "moved"


def negative_scale(model):
    set_tensor(model, "stem_out_scale", np.float32(-1))


def no_scale(model):
    set_tensor(model, "first.w_scale", np.zeros(16, np.float32))


def shifted(model):
    set_tensor(model, "stem_out_zero", np.int8(3))


def unsigned(model):
    set_tensor(model, "stem_out_zero", np.uint8(0))


def one_zero_point_for_all(model):
    set_tensor(model, "first.w_zero", np.int8(0))


def no_axis(model):
    del node(model, "first_1_quantized").attribute[:]


def axis_of_inputs(model):
    set_tensor(model, "depthwise.w_scale", np.ones(3, np.float32))
    set_tensor(model, "depthwise.w_zero", np.zeros(3, np.int8))


def int8_weights(model):
    set_tensor(model, "first.w", np.zeros((16, 16, 3, 3), np.int8))


def newer_opset(model):
    model.opset_import[0].version = 18


def half_scale(model):
    set_tensor(model, "stem_out_scale", np.float16(0.1))


def alone(model):
    node(model, "add").input[1] = "stem_out"
    quantized = node(model, "add_1_dequantized")
    model.graph.node.remove(quantized)


def other_scale(model):
    node(model, "first_0_dequantized").input[1] = "sum_out_scale"


def scale_for_each_channel_of_an_activation(model):
    set_tensor(model, "sum_out_scale", np.ones(16, np.float32))
    set_tensor(model, "sum_out_zero", np.zeros(16, np.int8))


def one_scale_for_all_weights(model):
    set_tensor(model, "first.w_scale", np.float32(0.1))
    set_tensor(model, "first.w_zero", np.int8(0))


def shared_pair(model):
    node(model, "add").input[1] = "first_0_dequantized"


def plain_weights(model):
    node(model, "first").input[1] = "first.w"


def quantised_bias(model):
    add_pair(model, "first", 2, "first.b")


def quantised_pool(model):
    add_pair(model, "pool", 0, "d")


def both_inputs_of_an_add(model):
    add_pair(model, "add", 0, "second_out")


def plain_shortcut(model):
    node(model, "add").input[1] = "stem_out"


def quantised_head(model):
    add_pair(model, "head", 0, "flat")


def unfolded(model):
    node(model, "first").output[0] = "n"
    at = next(i for i, each in enumerate(model.graph.node) if each.name == "first_relu")
    model.graph.node.insert(at, helper.make_node("BatchNormalization", ["n", *"abcd"], ["f"], name="norm"))


def add_pair(model: ModelProto, name: str, at: int, data: str) -> None:
    made = [
        helper.make_node("QuantizeLinear", [data, "sum_out_scale", "sum_out_zero"], ["new_q"], name="new_q"),
        helper.make_node("DequantizeLinear", ["new_q", "sum_out_scale", "sum_out_zero"], ["new_dq"], name="new_dq"),
    ]
    place = next(i for i, each in enumerate(model.graph.node) if each.name == name)
    for each in reversed(made):
        model.graph.node.insert(place, each)
    node(model, name).input[at] = "new_dq"


@pytest.mark.parametrize(
    ("damage", "rule", "where"),
    [
        (no_zero_point, "data, scale and zero point", "first_0_quantized"),
        (computed_scale, "are constants", "first_0_quantized"),
        (negative_scale, "above 0", "first_0_quantized"),
        (no_scale, "above 0", "first_1_quantized"),
        (shifted, "symmetric", "first_0_quantized"),
        (unsigned, "symmetric", "first_0_quantized"),
        (one_zero_point_for_all, "as many zero points", "first_1_quantized"),
        (no_axis, "name their axis", "first_1_quantized"),
        (axis_of_inputs, "name their axis", "depthwise_1_quantized"),
        (int8_weights, "stored in floating point", "first_1_quantized"),
        (newer_opset, "opset 17", "first_0_quantized"),
        (half_scale, "opset 17", "first_0_quantized"),
        (half_scale, "have one type", "first_1_quantized"),
        (alone, "in pairs", "add_1_quantized"),
        (other_scale, "in pairs", "first_0_dequantized"),
        (scale_for_each_channel_of_an_activation, "activations have one scale", "depthwise_0_quantized"),
        (one_scale_for_all_weights, "one scale for each output channel", "first_1_quantized"),
        (shared_pair, "has one reader", "first_0_dequantized"),
        (plain_weights, "or neither", "first"),
        (quantised_bias, "not on biases", "new_dq"),
        (quantised_pool, "not on biases or other nodes", "new_dq"),
        (both_inputs_of_an_add, "the shortcut alone", "add"),
        (plain_shortcut, "the shortcut alone", "add"),
        (unfolded, "BatchNorm", "norm"),
        (quantised_head, "have no pairs", "head"),
    ],
)
def test_each_rule_finds_what_breaks_it(good: ModelProto, damage: Callable[[ModelProto], None], rule: str, where: str):
    assert check(good) == []
    damage(good)
    assert [(rule in violation.rule, violation.node) for violation in check(good)].count((True, where)) == 1


def test_every_rule_is_broken_by_one_of_these():
    (cases,) = (mark.args[1] for mark in test_each_rule_finds_what_breaks_it.pytestmark)
    assert all(any(rule in name for _, rule, _ in cases) for name in RULES)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_quantised_by_the_rules(name: str):
    family = zoo.get(name)
    net = family.builds[0]().eval()
    if family.layouts[0].keys() == net.state_dict().keys():
        net.load_state_dict(rule_state(family.layouts[0]))
    model = graph.simplify(graph.trace(net, family.input, family.outputs, None))
    name_nodes(model)
    layers = candidates(model)
    size = family.input.size
    noise = np.random.default_rng(0).standard_normal((1, 3, size, size)).astype(np.float32)
    model, channels = equalize(model, find_channels(Path(name), model, tensors_to_calibrate(model, layers), noise))
    layers = candidates(model)
    int8 = quantize(model, layers, {tensor: float(values.max()) for tensor, values in channels.items()})
    assert len(layers) >= (2 if name == "lenet5" else 19)
    assert check(int8) == []
    typed = to_half(int8)
    name_nodes(typed)
    assert check(typed) == []
    assert graph.opset(typed) == 19
    scales = {tensor.data_type for tensor in typed.graph.initializer if tensor.name.endswith("_scale")}
    assert scales == {TensorProto.FLOAT16}
