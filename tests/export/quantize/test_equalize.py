"""Equalized channels: the same outputs, even ranges, and less noise in INT8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_nets
from onnx import ModelProto, helper, numpy_helper
from tiny_nets import CHANNELS, SIZE, conv, weights

from export.graph.onnx_file import open_unchanged
from export.quantize.calibrate import find_channels
from export.quantize.equalize import equalize
from export.quantize.insert_qdq import candidates, quantize, tensors_to_calibrate
from export.quantize.qdq_rules import check

PATH = Path("x.onnx")


@pytest.fixture
def crops(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((24, 3, SIZE, SIZE)).astype(np.float32)


def uneven(net: ModelProto) -> ModelProto:
    """Give a layer's outputs ranges that differ by a factor of 30, and undo that where they are read."""
    residual = any(tensor.name == "second.w" for tensor in net.graph.initializer)
    writer, reader = ("first", "second") if residual else ("stem", "first")
    for tensor in net.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name.startswith(f"{writer}."):
            values = values * np.geomspace(1, 1 / 30, CHANNELS).reshape(-1, *[1] * (values.ndim - 1))
        elif tensor.name == f"{reader}.w":
            values = values * np.geomspace(1, 30, CHANNELS).reshape(1, -1, 1, 1)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    return net


def swish_net() -> ModelProto:
    """stem -> hard swish -> depthwise -> pooled -> head: scaling does not pass the activation."""
    nodes = [
        conv("stem", "image", "s", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("HardSigmoid", ["s"], ["gate"], name="gate", alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", ["s", "gate"], ["stem_out"], name="swish"),
        conv("depthwise", "stem_out", "d", kernel_shape=[3, 3], pads=[1] * 4, group=CHANNELS),
        helper.make_node("Relu", ["d"], ["d_out"], name="d_relu"),
        conv("first", "d_out", "f", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["f"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "head.w", "head.b"], ["angles"], name="head", transB=1),
    ]
    tensors = [
        *weights("stem", (CHANNELS, 3, 3, 3), 1),
        *weights("depthwise", (CHANNELS, 1, 3, 3), 4),
        *weights("first", (CHANNELS, CHANNELS, 3, 3), 2),
        *weights("head", (3, CHANNELS), 5, 20.0),
    ]
    return tiny_nets.model_of(nodes, tensors)


def angles(model: ModelProto, crops: np.ndarray) -> np.ndarray:
    return open_unchanged(PATH, model).run(["angles"], {"image": crops})[0]


def int8_error(model: ModelProto, crops: np.ndarray, exact: np.ndarray) -> float:
    layers = candidates(model)
    tensors = tensors_to_calibrate(model, layers)
    ranges = {name: float(v.max()) for name, v in find_channels(PATH, model, tensors, crops).items()}
    quantized = quantize(model, layers, ranges)
    assert check(quantized) == []
    return float(np.abs(angles(quantized, crops) - exact).mean())


def measured(model: ModelProto, crops: np.ndarray) -> dict[str, np.ndarray]:
    return find_channels(PATH, model, tensors_to_calibrate(model, candidates(model)), crops)


@pytest.mark.parametrize("net", [tiny_nets.residual_net, swish_net])
def test_outputs_stay_ranges_become_even_and_noise_falls(net, crops):
    model = uneven(net())
    before = measured(model, crops)
    equalized, after = equalize(model, before)
    exact = angles(model, crops)
    np.testing.assert_allclose(angles(equalized, crops), exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())
    for name, values in measured(equalized, crops).items():
        np.testing.assert_allclose(values, after[name], rtol=1e-4, err_msg=name)
    first, second = (max(each.max() / each.min() for each in ranges.values()) for ranges in (before, after))
    assert second < 0.6 * first
    assert int8_error(equalized, crops, exact) < 0.6 * int8_error(model, crops, exact)


def test_the_given_graph_is_not_changed(crops):
    model = uneven(swish_net())
    text = model.SerializeToString()
    equalize(model, measured(model, crops))
    assert model.SerializeToString() == text


def test_a_multiplication_is_inserted_only_where_it_pays(crops):
    even, steep = swish_net(), uneven(swish_net())
    kinds = [[node.op_type for node in equalize(net, measured(net, crops))[0].graph.node] for net in (even, steep)]
    assert [kind.count("Mul") for kind in kinds] == [1, 2]
    residual = uneven(tiny_nets.residual_net())
    assert "Mul" not in [node.op_type for node in equalize(residual, measured(residual, crops))[0].graph.node]


def test_tensors_that_others_read_stay(crops):
    """A layer's result is also an output of the graph: it may not be divided."""
    model = uneven(tiny_nets.residual_net())
    model.graph.output.append(helper.make_tensor_value_info("first_out", 1, None))
    equalized, after = equalize(model, measured(model, crops))
    for name in ("first.b",):
        first, second = (
            next(numpy_helper.to_array(t) for t in each.graph.initializer if t.name == name)
            for each in (model, equalized)
        )
        np.testing.assert_array_equal(first, second)
    assert set(after) == set(measured(model, crops))
