"""Merging small groups of pointwise convolutions: ONNX Runtime gives the same, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import hpe_edge.backends.onnx.session as backend
from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.merge_groups import merged_groups


def conv(
    inputs: int, outputs: int, groups: int, kernel: int = 1, *, packed_weight: bool = True, bias: bool = True
) -> onnx.ModelProto:
    """A convolution and a Relu on a picture of 6 x 5."""
    rng = np.random.default_rng(inputs + outputs + groups)
    weight = rng.normal(0, 1, (outputs, inputs // groups, kernel, kernel)).astype(np.float32)
    tensors = [numpy_helper.from_array(rng.normal(0, 1, outputs).astype(np.float32), "bias")] if bias else []
    if packed_weight:
        tensors.append(numpy_helper.from_array(weight, "weight"))
    else:
        tensors.append(helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.ravel().tolist()))
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
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"kept": "as it is"})
    return model


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
    model = conv(inputs, outputs, groups, bias=bias).SerializeToString()
    merged = merged_groups(model)
    assert merged is not None
    read = onnx.load_from_string(merged)
    onnx.checker.check_model(read)
    assert [a.i for a in read.graph.node[0].attribute if a.name == "group"] == [left]
    assert {prop.key: prop.value for prop in read.metadata_props} == {"kept": "as it is"}
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
        conv(16, 32, 4, packed_weight=False),
    ],
    ids=["blocks", "depthwise", "3x3", "no groups", "odd", "tiny groups", "weights as a list"],
)
def test_others_are_left_alone(model: onnx.ModelProto) -> None:
    assert merged_groups(model.SerializeToString()) is None


def test_weights_in_another_file_leave_all_as_it_is() -> None:
    model = conv(16, 32, 4)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias")
    bias.data_location = TensorProto.EXTERNAL
    assert merged_groups(model.SerializeToString()) is None
    bias.data_location = TensorProto.DEFAULT
    assert merged_groups(model.SerializeToString()) is not None


def test_an_operation_of_another_domain_is_left_alone() -> None:
    model = conv(16, 32, 4)
    model.graph.node[0].domain = "com.example"
    assert merged_groups(model.SerializeToString()) is None


def test_a_weight_that_is_computed_is_left_alone() -> None:
    model = conv(16, 32, 4)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "weight")
    weight.name = "stored"
    model.graph.node.insert(0, helper.make_node("Identity", ["stored"], ["weight"]))
    assert merged_groups(model.SerializeToString()) is None


@pytest.mark.parametrize(("isa", "edited"), [("avx512", True), ("avx2", False), ("neon", False)])
def test_the_backend_asks_for_it_on_avx512_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, isa: str, edited: bool
) -> None:
    from tiny_model import write_tiny_model

    asked: list[bytes] = []
    monkeypatch.setattr(backend, "isa_names", lambda: [isa])
    monkeypatch.setattr(backend, "merged_groups", lambda model: asked.append(model))
    path = write_tiny_model(tmp_path / "model.onnx")
    PoseEngine(path).close()
    assert asked == ([path.read_bytes()] if edited else [])
