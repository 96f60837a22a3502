"""Costs of graphs: by hand, by torch's own counter, and by published numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_model import write_tiny_model

from hpe_edge.errors import ModelError
from tools.graph_cost import graph_cost, read_cost


def graph(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: list[int | str]) -> onnx.ModelProto:
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_graph(nodes, "graph", ends[:1], ends[1:], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("weight", "attributes", "macs", "kind"),
    [
        # by hand: output sides x output channels x what each sums over
        ((16, 8, 3, 3), {"pads": [1, 1, 1, 1]}, 10 * 12 * 16 * 8 * 9, "Conv 3x3"),
        ((16, 8, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}, 5 * 6 * 16 * 8 * 9, "Conv 3x3"),
        ((8, 1, 5, 5), {"group": 8, "pads": [2, 2, 2, 2]}, 10 * 12 * 8 * 25, "Conv 5x5, depthwise"),
        ((32, 2, 1, 1), {"group": 4}, 10 * 12 * 32 * 2, "Conv 1x1, grouped"),
    ],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_convolutions_by_hand(weight: tuple, attributes: dict, macs: int, kind: str, batch: int) -> None:
    model = graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], **attributes)], {"w": weights(*weight)}, ["N", 8, 10, 12]
    )
    cost = graph_cost(model, batch)
    assert cost.macs == batch * macs and cost.flops == 2 * cost.macs
    (layer,) = cost.layers
    assert layer.kind == kind and not layer.int8
    assert layer.weight_bytes == 4 * np.prod(weight)
    outputs = macs // int(np.prod(weight[1:]))
    assert layer.activation_bytes == 4 * batch * (8 * 10 * 12 + outputs)


def test_a_product_and_what_is_fused_with_it() -> None:
    """y = relu(x w + b) + x: the sum of both reads x once, and nothing in between is stored."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Add", ["r", "x"], ["y"]),
    ]
    cost = graph_cost(graph(nodes, {"w": weights(20, 20), "b": weights(20)}, ["N", 20]), 3)
    assert cost.macs == 3 * 20 * 20
    (layer,) = cost.layers
    assert (layer.kind, layer.weight_bytes) == ("Gemm", 4 * 420)
    assert layer.activation_bytes == 4 * (3 * 20 + 3 * 20)
    assert graph_cost(graph(nodes, {"w": weights(20, 20), "b": weights(20)}, ["N", 20]), 3, 2).bytes * 2 == cost.bytes


def test_what_two_layers_read_is_stored_and_read_by_both() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "v"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    first, second = graph_cost(graph(nodes, {"w": weights(6, 4), "v": weights(4, 4)}, ["N", 6]), 1).layers
    assert first.activation_bytes == 4 * (6 + 4)  # x in, a out
    assert second.activation_bytes == 4 * (4 + 4)  # a in, y out


def test_pairs_make_int8_layers_of_single_bytes() -> None:
    scalars = {"s": np.float32(0.1), "z": np.int8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("QuantizeLinear", ["w", "s", "z"], ["wq"]),
        helper.make_node("DequantizeLinear", ["wq", "s", "z"], ["wd"]),
        helper.make_node("Conv", ["xd", "wd"], ["y"]),
    ]
    pair, conv = graph_cost(graph(nodes, {"w": weights(8, 8, 1, 1), **scalars}, ["N", 8, 4, 4]), 1).layers
    assert conv.int8 and conv.macs == 16 * 64
    assert conv.weight_bytes == 64
    assert conv.activation_bytes == 128 + 4 * 128  # levels in, float32 out
    assert pair.activation_bytes == 4 * 128 + 128 and pair.macs == 0


def test_a_model_file(tmp_path: Path) -> None:
    cost = read_cost(write_tiny_model(tmp_path / "m.onnx", size=16), 2)
    assert cost.macs == 2 * 3 * 198
    assert next(iter(cost.by_kind())) == "Gemm"
    assert sum(part.bytes for part in cost.by_kind().values()) == cost.bytes
    assert read_cost(write_tiny_model(tmp_path / "m.onnx", size=16, batch=5), 2).batch == 5


def test_an_unknown_shape_is_named() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["n"]), helper.make_node("Cast", ["n"], ["y"], to=TensorProto.FLOAT)]
    with pytest.raises(ModelError, match="the shape of 'y' cannot be inferred"):
        graph_cost(graph(nodes, {}, [4, 4]), 1)


# GMACs as torchvision's table of its classification weights has them ("GFLOPS"), at 224 pixels; the head-pose networks
# have other heads, which are less than a hundredth of it.
PUBLISHED = [("resnet18-6d", 1.81), ("hopenet", 4.09), ("mobilenetv2-6d", 0.30)]


@pytest.mark.parametrize(("architecture", "gmacs"), PUBLISHED)
def test_published_networks(architecture: str, gmacs: float) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from export import zoo
    from export.graph import trace as export_graph

    family = zoo.get(architecture)
    net = family.export_form(family.builds[0]().eval()).eval()
    model = export_graph.trace(net, family.input, family.outputs, None)
    cost = graph_cost(model, 1)
    assert cost.macs / 1e9 == pytest.approx(gmacs, abs=0.01)
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        net(torch.zeros(1, 3, 224, 224))
    assert cost.flops == pytest.approx(counter.get_total_flops(), rel=1e-3)
