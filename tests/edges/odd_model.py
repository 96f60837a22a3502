"""A tiny network with one operator that converters lack, though ONNX Runtime has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_model import tiny_spec, tiny_weights

from hpe_edge.spec import METADATA_KEY

SIZE, COLUMNS = 32, 198


def write_odd_model(path: Path, operator: str, domain: str = "", **attributes: Any) -> Path:
    """Write the mean of each channel, the operator on these three numbers, and a linear layer."""
    weight, bias = tiny_weights()
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node(operator, ["flat"], ["odd"], domain=domain, **attributes),
        helper.make_node("Gemm", ["odd", "weight", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", COLUMNS])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    imports = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 3)] if domain else [])]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: tiny_spec(SIZE).to_json()})
    onnx.save(model, str(path))
    return path
