"""FP16: what is converted, what stays float32, and which numbers FP16 does not hold."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import tiny_nets
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export.graph.onnx_file import open_unchanged
from export.quantize.fp16_graph import losses, rounding, to_half
from export.quantize.insert_qdq import candidates, quantize


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((8, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32)


def angles(tmp_path, model, images):
    return open_unchanged(tmp_path / "x.onnx", model).run(["angles"], {"image": images})[0]


def kinds(model: ModelProto) -> dict[str, int]:
    return {tensor.name: tensor.data_type for tensor in model.graph.initializer}


def test_all_but_the_head_is_half(tmp_path, images):
    net = tiny_nets.residual_net()
    half = to_half(net)
    assert {name for name, kind in kinds(half).items() if kind == TensorProto.FLOAT} == {"head.w", "head.b"}
    assert {kind for name, kind in kinds(half).items() if "head" not in name} == {TensorProto.FLOAT16}
    assert [node.op_type for node in half.graph.node].count("Cast") == 2  # behind the input, before the head
    assert half.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert half.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    before, after = angles(tmp_path, net, images), angles(tmp_path, half, images)
    assert 0 < np.abs(before - after).max() < 5e-3 * np.abs(before).max()  # FP16 has 11 bits
    assert kinds(net)["first.w"] == TensorProto.FLOAT  # the one given is untouched


def test_nothing_behind_the_head_goes_through_half(tmp_path, images):
    """Angles of 1000 degrees would be off by half a degree, and thirds of one are none in FP16."""
    net = tiny_nets.residual_net()
    third = helper.make_tensor("third", TensorProto.FLOAT, [], [1000 / 3])
    net.graph.node[-1].output[0] = "raw"
    net.graph.node.extend(
        [
            helper.make_node("Constant", [], ["third"], name="constant", value=third),
            helper.make_node("Mul", ["raw", "third"], ["scaled"], name="mul"),
            helper.make_node("Add", ["scaled", "raw"], ["angles"], name="sum"),
        ]
    )
    half = to_half(net)
    (flat,) = [node.input[0] for node in half.graph.node if node.op_type == "Cast" and node.input[0] != "image"]
    watched = ModelProto.FromString(half.SerializeToString())
    watched.graph.output.append(helper.make_tensor_value_info(flat, TensorProto.FLOAT16, None))
    found, said = open_unchanged(tmp_path / "x.onnx", watched).run(["angles", flat], {"image": images})
    constants = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in net.graph.initializer}
    raw = said.astype(np.float64) @ constants["head.w"].T + constants["head.b"]
    assert np.abs(found - raw * (1 + 1000 / 3)).max() < 1e-6 * np.abs(found).max()


def test_a_tensor_that_several_nodes_of_the_head_read_is_cast_once(tmp_path, images):
    net = tiny_nets.residual_net()
    net.graph.node[-1].output[0] = "raw"
    net.graph.node.append(helper.make_node("Gemm", ["flat", "head.w"], ["twice"], name="again", transB=1))
    net.graph.node.append(helper.make_node("Add", ["raw", "twice"], ["angles"], name="sum"))
    half = to_half(net)
    assert [node.op_type for node in half.graph.node].count("Cast") == 2
    assert np.isfinite(angles(tmp_path, half, images)).all()


def test_numbers_that_half_does_not_hold_are_named():
    net = tiny_nets.residual_net()
    for tensor in net.graph.initializer:
        if tensor.name in ("first.w", "head.w"):
            values = numpy_helper.to_array(tensor).copy()
            values.flat[:3] = [1e-9, -1e5, 0]
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    found = losses(net, to_half(net))
    assert [str(loss) for loss in found] == ["first.w: 1 too small for FP16, 1 too large for FP16"]
    assert losses(tiny_nets.residual_net(), to_half(tiny_nets.residual_net())) == []


def test_constant_nodes_are_told_of_as_weights_are():
    net = tiny_nets.residual_net()
    tiny = helper.make_tensor("eps", TensorProto.FLOAT, [], [1e-9])
    net.graph.node[1].output[0] = "before"
    net.graph.node.insert(2, helper.make_node("Constant", [], ["eps"], name="constant", value=tiny))
    net.graph.node.insert(3, helper.make_node("Add", ["before", "eps"], ["stem_out"], name="plus"))
    assert [str(loss) for loss in losses(net, to_half(net))] == ["eps: 1 too small for FP16"]


def half_conv(data: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution of one pixel with FP16 in and out, and float64 sums."""
    exact = np.einsum("oc,nchw->nohw", weights[:, :, 0, 0].astype(np.float64), data.astype(np.float64))
    with np.errstate(over="ignore"):
        return (exact + bias.astype(np.float64)[:, None, None]).astype(np.float16)


def test_rounding_is_numpys_float16(tmp_path, images):
    half = to_half(tiny_nets.residual_net())
    rounded = rounding(half)
    assert {tensor.data_type for tensor in rounded.graph.initializer} == {TensorProto.FLOAT}
    rounded.graph.output.extend(helper.make_tensor_value_info(n, 1, None) for n in ("first_out", "second_out"))
    given, found = open_unchanged(tmp_path / "x.onnx", rounded).run(["first_out", "second_out"], {"image": images})
    assert np.array_equal(given, given.astype(np.float16))
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in half.graph.initializer}
    wanted = half_conv(given, constants["second.w"], constants["second.b"]).astype(np.float32)
    # The order of the sum decides which of two neighbours is nearer, now and then.
    assert (found == wanted).mean() > 0.99
    assert np.abs(found - wanted).max() <= 2.0**-10 * np.abs(wanted).max()
    plain = tiny_nets.residual_net()
    assert rounding(plain) == plain


def test_rounding_overflows_where_half_does(tmp_path, images):
    """ONNX Runtime alone computes in float32 here and sees nothing."""
    net = tiny_nets.residual_net()
    for tensor in net.graph.initializer:
        factor = {"first.w": 3e4, "first.b": 3e4, "second.w": 1 / 3e4}.get(tensor.name, 1.0)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))
    half = to_half(net)
    assert not any(loss.overflowing for loss in losses(net, half))
    assert np.isfinite(angles(tmp_path, half, images)).all()
    assert not np.isfinite(angles(tmp_path, rounding(half), images)).all()


def test_quantised_graphs_become_opset_19_with_half_scales(tmp_path, images):
    net = tiny_nets.residual_net()
    int8 = quantize(net, candidates(net), {"stem_out": 3.0, "first_out": 4.0, "sum_out": 5.0})
    half = to_half(int8)
    assert half.opset_import[0].version == 19
    assert int8.opset_import[0].version == 17
    assert {kind for name, kind in kinds(half).items() if name.endswith("_scale")} == {TensorProto.FLOAT16}
    assert {kind for name, kind in kinds(half).items() if name.endswith("_zero")} == {TensorProto.INT8}
    before, after = angles(tmp_path, int8, images), angles(tmp_path, half, images)
    assert np.abs(before - after).max() < 0.05 * np.abs(before).max()  # of the order of INT8's own rounding
    onnx.checker.check_model(half, full_check=True)
