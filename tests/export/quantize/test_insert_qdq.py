"""Q/DQ pairs: where they stand, and that the graph computes what INT8 arithmetic does."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_nets
from onnx import ModelProto, helper, numpy_helper

from export.graph.onnx_file import open_unchanged
from export.graph.weighted_layers import head_nodes, layers_of, name_nodes, shortcuts_of
from export.quantize.insert_qdq import candidates, quantize, tensors_to_calibrate, weight_scales
from export.quantize.qdq_rules import check
from hpe_edge.errors import ModelError

RANGES = {"stem_out": 3.0, "first_out": 4.0, "sum_out": 5.0}


@pytest.fixture
def net() -> ModelProto:
    return tiny_nets.residual_net()


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((4, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32)


def run(tmp_path, model, images, names=("angles",)):
    watched = ModelProto.FromString(model.SerializeToString())
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in names)
    return open_unchanged(tmp_path / "x.onnx", watched).run(list(names), {"image": images})


def test_which_layers_may_be_int8(net):
    why = {layer.name: layer.why_not for layer in layers_of(net)}
    assert list(why) == ["stem", "first", "second", "depthwise", "head"]
    assert why["stem"] == "a convolution of 3 channels, fewer than 16"
    assert why["head"] == "the head that outputs the angles"
    assert [name for name in why if not why[name]] == ["first", "second", "depthwise"]
    assert [layer.name for layer in candidates(net)] == ["first", "second", "depthwise"]
    assert [node.name for node in head_nodes(net)] == ["head"]
    assert tensors_to_calibrate(net, candidates(net)) == ["stem_out", "first_out", "sum_out"]


def test_pairs_stand_before_layers_and_on_the_shortcut_alone(net):
    assert [(s.add, s.layer, s.data) for s in shortcuts_of(net)] == [("add", "second", "stem_out")]
    model = quantize(net, candidates(net), RANGES)
    by_name = {node.name: list(node.input) for node in model.graph.node}
    maker = {output: node for node in model.graph.node for output in node.output}
    behind = {
        (name, at): maker[maker[read].input[0]].input[0]
        for name, inputs in by_name.items()
        for at, read in enumerate(inputs)
        if read in maker and maker[read].op_type == "DequantizeLinear"
    }
    assert behind == {
        ("first", 0): "stem_out",
        ("first", 1): "first.w",
        ("second", 0): "first_out",
        ("second", 1): "second.w",
        ("add", 1): "stem_out",
        ("depthwise", 0): "sum_out",
        ("depthwise", 1): "depthwise.w",
    }
    kept = quantize(net, [layer for layer in candidates(net) if layer.name != "second"], RANGES)
    assert not any("add" in node.name and node.op_type == "QuantizeLinear" for node in kept.graph.node)
    assert check(model) == check(kept) == []


def test_of_two_convolutions_the_shorter_way_is_the_shortcut(net):
    """As in a ResNet's block that halves its picture: one convolution on the shortcut."""
    del net.graph.node[5]
    net.graph.node.insert(5, tiny_nets.conv("down", "stem_out", "down_out", kernel_shape=[1, 1]))
    net.graph.node.insert(6, helper.make_node("Add", ["down_out", "second_out"], ["sum"], name="add"))
    net.graph.initializer.extend(tiny_nets.weights("down", (16, 16, 1, 1), 9))
    assert [(s.add, s.layer, s.data) for s in shortcuts_of(net)] == [("add", "second", "down_out")]


def test_int8_arithmetic_in_numpy_gives_the_same(net, images, tmp_path):
    """Integers times integers, summed as integers, and only then scaled: what INT8 hardware does."""
    (given,) = run(tmp_path, net, images, ["first_out"])
    layer = next(layer for layer in candidates(net) if layer.name == "second")
    model = quantize(net, [layer], RANGES)
    (found,) = run(tmp_path, model, images, ["second_out"])
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in net.graph.initializer}
    step = np.float64(np.float32(RANGES["first_out"] / 127))
    data = np.clip(np.rint(given.astype(np.float64) / step), -128, 127).astype(np.int64)
    kernel = constants["second.w"][:, :, 0, 0].astype(np.float64)
    steps = np.float64(np.float32(np.abs(kernel).max(axis=1) / 127))
    whole = np.clip(np.rint(kernel / steps[:, None]), -128, 127).astype(np.int64)
    assert np.abs(whole).max(axis=1).tolist() == [127] * tiny_nets.CHANNELS
    wanted = np.einsum("oc,nchw->nohw", whole, data) * (steps * step)[:, None, None]
    wanted += constants["second.b"].astype(np.float64)[:, None, None]
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()
    (plain,) = run(tmp_path, net, images, ["second_out"])
    assert np.abs(found - plain).max() > 1e-3


def test_weights_stay_in_the_file_as_they_are(net):
    model = quantize(net, candidates(net), RANGES)
    before = {tensor.name: tensor for tensor in net.graph.initializer}
    after = {tensor.name: tensor for tensor in model.graph.initializer}
    assert all(after[name] == tensor for name, tensor in before.items())


def test_scales_run_along_the_outputs_of_gemm_and_conv():
    values = np.array([[1.0, -2.0], [0.5, 4.0], [0.0, 8.0]], np.float32)
    assert weight_scales(values, 0).tolist() == pytest.approx([2 / 127, 4 / 127, 8 / 127])
    assert weight_scales(values, 1).tolist() == pytest.approx([1 / 127, 8 / 127])
    assert (weight_scales(np.zeros((2, 3), np.float32), 0) > 0).all()


def test_unfolded_batchnorm_is_refused(net):
    net.graph.node[2].output[0] = "n"
    net.graph.node.insert(3, helper.make_node("BatchNormalization", ["n", *"abcd"], ["f"], name="norm"))
    with pytest.raises(ModelError, match=r"BatchNorm is not folded .*\(norm\)"):
        candidates(net)
    assert [violation.node for violation in check(net)] == ["norm"]


def test_a_net_of_nothing_but_head_is_refused():
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "head.w", "head.b"], ["angles"], name="head", transB=1),
    ]
    with pytest.raises(ModelError, match=r"no layer .* can be INT8"):
        candidates(tiny_nets.model_of(nodes, tiny_nets.weights("head", (3, 768), 1)))


def test_nodes_get_names_of_their_own(net):
    for node in net.graph.node[:4]:
        node.name = ""
    net.graph.node[4].name = net.graph.node[5].name = "same"
    name_nodes(net)
    assert len({node.name for node in net.graph.node}) == len(net.graph.node)
