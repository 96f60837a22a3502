"""Merging small groups of pointwise convolutions: ONNX Runtime gives the same, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph.merge_groups import merge_groups


def conv(inputs: int, outputs: int, groups: int, kernel: int = 1, *, bias: bool = True) -> onnx.ModelProto:
    """A convolution and a Relu on a picture of 6 x 5."""
    rng = np.random.default_rng(inputs + outputs + groups)
    weight = rng.normal(0, 1, (outputs, inputs // groups, kernel, kernel)).astype(np.float32)
    tensors = [numpy_helper.from_array(rng.normal(0, 1, outputs).astype(np.float32), "bias")] if bias else []
    tensors.append(numpy_helper.from_array(weight, "weight"))
    names = ["picture", "weight", *(["bias"] if bias else [])]
    nodes = [
        helper.make_node("Conv", names, ["sums"], "conv", group=groups, kernel_shape=[kernel, kernel]),
        helper.make_node("Relu", ["sums"], ["result"], "relu"),
    ]
    ends = [
        helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", inputs, 6, 5]),
        helper.make_tensor_value_info("result", TensorProto.FLOAT, ["N", outputs, None, None]),
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(model: bytes, picture: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options).run(None, {"picture": picture})[0]


@pytest.mark.parametrize(
    ("inputs", "outputs", "groups", "left"),
    [(16, 32, 4, 1), (32, 64, 4, 2), (96, 192, 4, 2), (64, 64, 16, 4), (48, 48, 6, 3), (32, 32, 4, 2)],
)
@pytest.mark.parametrize("bias", [True, False])
def test_the_same_sums_in_fewer_groups(
    rng: np.random.Generator, inputs: int, outputs: int, groups: int, left: int, bias: bool
) -> None:
    read = conv(inputs, outputs, groups, bias=bias)
    model = read.SerializeToString()
    assert merge_groups(read) == ["conv"]
    onnx.checker.check_model(read, full_check=True)
    assert [a.i for a in read.graph.node[0].attribute if a.name == "group"] == [left]
    assert "weight" not in [tensor.name for tensor in read.graph.initializer]
    merged = read.SerializeToString()
    picture = rng.normal(0, 1, (2, inputs, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(answer(merged, picture), answer(model, picture), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        conv(64, 128, 4),  # 16 channels a group: whole blocks
        conv(64, 64, 64),  # depthwise
        conv(16, 32, 4, kernel=3),
        conv(16, 32, 1),
        conv(15, 30, 3),  # no number of groups makes whole blocks
        conv(64, 64, 32),  # eight groups of two would be needed
    ],
    ids=["blocks", "depthwise", "3x3", "no groups", "odd", "tiny groups"],
)
def test_others_are_left_alone(model: onnx.ModelProto) -> None:
    before = model.SerializeToString()
    assert merge_groups(model) == []
    assert model.SerializeToString() == before


def test_an_operation_of_another_domain_is_left_alone() -> None:
    model = conv(16, 32, 4)
    model.graph.node[0].domain = "com.example"
    before = model.SerializeToString()
    assert merge_groups(model) == []
    assert model.SerializeToString() == before


def test_a_weight_that_others_read_stays() -> None:
    model = conv(16, 32, 4)
    model.graph.node.append(helper.make_node("Identity", ["weight"], ["copy"]))
    assert merge_groups(model) == ["conv"]
    assert "weight" in [tensor.name for tensor in model.graph.initializer]


def test_a_weight_that_is_computed_is_left_alone() -> None:
    model = conv(16, 32, 4)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "weight")
    weight.name = "stored"
    model.graph.node.insert(0, helper.make_node("Identity", ["stored"], ["weight"]))
    before = model.SerializeToString()
    assert merge_groups(model) == []
    assert model.SerializeToString() == before
