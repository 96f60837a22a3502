"""Fully connected layers as convolutions give what the matrix products gave."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.tensorrt.turing_graph import products_to_convolutions


def network(*, bias: bool, **settings: float) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    shape = (7, 5) if settings.get("transB") else (5, 7)
    names = ["weight", "bias"] if bias else ["weight"]
    values = {"weight": rng.normal(size=shape), "bias": rng.normal(size=7)}
    weights = [numpy_helper.from_array(values[name].astype(np.float32), name) for name in names]
    node = helper.make_node("Gemm", ["x", *names], ["y"], "head", **settings)
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 5])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 7])]
    graph = helper.make_graph([node], "g", given, made, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": rows})[0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("trans", [0, 1])
def test_same_results(trans, bias):
    model = network(bias=bias, transB=trans)
    converted = products_to_convolutions(model)
    onnx.checker.check_model(converted, full_check=True)
    assert [node.op_type for node in converted.graph.node] == ["Reshape", "Conv", "Reshape"]
    assert "weight" not in {each.name for each in converted.graph.initializer}, "its weights are stored once"
    rows = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_allclose(run(converted, rows), run(model, rows), rtol=1e-5, atol=1e-6)
    assert [node.op_type for node in model.graph.node] == ["Gemm"], "the original stays"


@pytest.mark.parametrize("settings", [{"alpha": 2.0}, {"beta": 0.5}, {"transA": 1}])
def test_scaled_and_transposed_products_stay(settings):
    model = network(bias=True, **settings)
    assert [node.op_type for node in products_to_convolutions(model).graph.node] == ["Gemm"]
