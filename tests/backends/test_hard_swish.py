"""The hard swish in OpenVINO's graphs: put together where it is one, with the same answers, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

pytest.importorskip("openvino")

from hpe_edge.backends.openvino.compiled_model import _read
from hpe_edge.backends.openvino.hard_swish import use_hard_swish
from hpe_edge.backends.openvino.load_openvino import load_openvino, shared_core


def write(path: Path, *, alpha: float = 1 / 6, beta: float = 0.5, swapped: bool = False, other: bool = False) -> Path:
    """y = x HardSigmoid(x), or with another factor than x."""
    factor = "z" if other else "x"
    nodes = [
        helper.make_node("Neg", ["x"], ["z"]),
        helper.make_node("HardSigmoid", ["x"], ["gate"], alpha=alpha, beta=beta),
        helper.make_node("Mul", ["gate", factor] if swapped else [factor, "gate"], ["swish"]),
        helper.make_node("Add", ["swish", "z"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def kinds(graph: Any) -> list[str]:
    return [node.get_type_name() for node in graph.get_ordered_ops()]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_hard_swish_is_put_together(tmp_path: Path, swapped: bool) -> None:
    path = write(tmp_path / "m.onnx", swapped=swapped)
    graph = _read(load_openvino(), path)
    assert "HardSigmoid" in kinds(graph)
    use_hard_swish(graph)
    assert "HSwish" in kinds(graph)
    assert "HardSigmoid" not in kinds(graph) and "Multiply" not in kinds(graph)
    x = np.linspace(-5, 5, 33, dtype=np.float32).reshape(11, 3)
    compiled = shared_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled.create_infer_request().infer({"x": x})["y"]
    wanted = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("changes", [{"alpha": 0.2}, {"beta": 0.4}, {"other": True}])
def test_other_functions_stay(tmp_path: Path, changes: dict[str, Any]) -> None:
    graph = _read(load_openvino(), write(tmp_path / "m.onnx", **changes))
    use_hard_swish(graph)
    assert "HSwish" not in kinds(graph) and "HardSigmoid" in kinds(graph)
