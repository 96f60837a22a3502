"""ONNX graphs in torch against ONNX Runtime, operator by operator and as whole networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_nets
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export import zoo
from export.graph.onnx_file import open_unchanged
from export.graph.trace import simplify, trace
from export.graph.weighted_layers import name_nodes
from export.tuning.torch_graph import TorchGraph
from hpe_edge.errors import ModelError

# Operator, the shapes of further float constants, whole constants, attributes, outputs.
CASES: list[tuple[str, list[tuple[int, ...]], list[list[int]], dict[str, Any], int]] = [
    ("AveragePool", [], [], {"kernel_shape": [2, 2], "strides": [2, 2]}, 1),
    ("AveragePool", [], [], {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}, 1),
    ("Conv", [(6, 4, 3, 3), (6,)], [], {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2]}, 1),
    ("Conv", [(4, 1, 3, 3)], [], {"kernel_shape": [3, 3], "pads": [0, 1, 2, 0], "group": 4}, 1),
    ("Conv", [(6, 2, 3, 3), (6,)], [], {"kernel_shape": [3, 3], "dilations": [2, 2], "group": 2}, 1),
    ("Div", [(1, 4, 1, 1)], [], {}, 1),
    ("Exp", [], [], {}, 1),
    ("Flatten", [], [], {"axis": 1}, 1),
    ("Floor", [], [], {}, 1),
    ("GlobalAveragePool", [], [], {}, 1),
    ("HardSigmoid", [], [], {"alpha": 1 / 6}, 1),
    ("HardSwish", [], [], {}, 1),
    ("LeakyRelu", [], [], {"alpha": 0.2}, 1),
    ("MatMul", [(8, 5)], [], {}, 1),
    ("MaxPool", [], [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}, 1),
    ("Neg", [], [], {}, 1),
    ("Reciprocal", [], [], {}, 1),
    ("ReduceMean", [], [], {"axes": [1, 3], "keepdims": 0}, 1),
    ("ReduceSum", [], [[2]], {"keepdims": 1}, 1),
    ("Reshape", [], [[0, -1, 4]], {}, 1),
    ("Sigmoid", [], [], {}, 1),
    ("Softmax", [], [], {"axis": 2}, 1),
    ("Split", [], [[1, 3]], {"axis": 1}, 2),
    ("Sub", [(1, 4, 1, 1)], [], {}, 1),
    ("Tanh", [], [], {}, 1),
    ("Unsqueeze", [], [[1, 3]], {}, 1),
]


def graph_of(kind: str, floats: Any, wholes: Any, attributes: dict[str, Any], outputs: int) -> ModelProto:
    rng = np.random.default_rng(3)
    arrays = [rng.normal(0, 1, shape).astype(np.float32) for shape in floats]
    arrays += [np.array(each, np.int64) for each in wholes]
    constants = [numpy_helper.from_array(array, f"c{at}") for at, array in enumerate(arrays)]
    names = [f"out{at}" for at in range(outputs)]
    node = helper.make_node(kind, ["image", *(each.name for each in constants)], names, name="node", **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 4, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def assert_same(model: ModelProto, image: np.ndarray, within: float) -> None:
    wanted = open_unchanged(Path("net.onnx"), model).run(None, {model.graph.input[0].name: image})
    with torch.inference_mode():
        found = TorchGraph(model)(torch.from_numpy(image))
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours.numpy() - theirs).max() <= within * max(1.0, np.abs(theirs).max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{len(case[3])}")
def test_operators_are_those_of_onnx_runtime(case, rng):
    assert_same(graph_of(*case), rng.standard_normal((3, 4, 8, 8)).astype(np.float32), 1e-5)


@pytest.mark.parametrize("name", ["student-v2", "lightweight", "fsanet-1x1"])
def test_networks_are_those_of_onnx_runtime(name, rng):
    family = zoo.get(name)
    torch.manual_seed(1)
    net = family.export_form(family.builds[0]().eval())
    model = simplify(trace(net, family.input, family.outputs, None))
    name_nodes(model)
    size = family.input.size
    assert_same(model, rng.standard_normal((2, 3, size, size)).astype(np.float32), 1e-4)


def test_weights_keep_their_names(rng):
    model = tiny_nets.residual_net()
    found = TorchGraph(model).weights()
    held = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    assert found.keys() == held.keys()
    assert all(np.array_equal(found[name], held[name]) for name in held)


def test_an_unknown_operator_is_named():
    model = graph_of("Elu", [], [], {}, 1)
    with pytest.raises(ModelError, match=r"Elu \(node\).*export int8"):
        TorchGraph(model)
