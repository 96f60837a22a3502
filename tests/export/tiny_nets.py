"""Small graphs with real spec, written node by node, so that the tests know every number in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hpe_edge.spec import METADATA_KEY, AngleHead, AnglesDecode, Crop, Input, ModelSpec, Origin

SIZE = 16
CHANNELS = 16


def tiny_spec() -> ModelSpec:
    """Three angles, read as they are."""
    heads = [AngleHead("angles", column) for column in range(3)]
    return ModelSpec(
        architecture="tiny",
        input=Input(size=SIZE, color="RGB", scale=1 / 255, mean=(0.5,) * 3, std=(0.25,) * 3),
        outputs=("angles",),
        crop=Crop(),
        decode=AnglesDecode(*heads),
        origin=Origin("tiny.pth", "0" * 64),
    )


def conv(name: str, data: str, out: str, **attributes: object) -> NodeProto:
    return helper.make_node("Conv", [data, f"{name}.w", f"{name}.b"], [out], name=name, **attributes)


def weights(name: str, shape: Sequence[int], seed: int, scale: float = 1.0) -> list[TensorProto]:
    """Of a layer, He-normal times ``scale``, and its bias."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, scale * np.sqrt(2 / np.prod(shape[1:])), shape)
    bias = rng.normal(0, 0.1, shape[0])
    return [
        numpy_helper.from_array(array.astype(np.float32), f"{name}.{suffix}")
        for array, suffix in ((values, "w"), (bias, "b"))
    ]


def residual_net(head_scale: float = 20.0) -> ModelProto:
    """stem (3 channels) -> first -> second, added to the stem's result -> depthwise -> pooled -> head."""
    nodes = [
        conv("stem", "image", "s", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["s"], ["stem_out"], name="stem_relu"),
        conv("first", "stem_out", "f", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["f"], ["first_out"], name="first_relu"),
        conv("second", "first_out", "second_out", kernel_shape=[1, 1]),
        helper.make_node("Add", ["second_out", "stem_out"], ["sum"], name="add"),
        helper.make_node("Relu", ["sum"], ["sum_out"], name="sum_relu"),
        conv("depthwise", "sum_out", "d", kernel_shape=[3, 3], pads=[1] * 4, group=CHANNELS),
        helper.make_node("GlobalAveragePool", ["d"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "head.w", "head.b"], ["angles"], name="head", transB=1),
    ]
    tensors = [
        *weights("stem", (CHANNELS, 3, 3, 3), 1),
        *weights("first", (CHANNELS, CHANNELS, 3, 3), 2),
        *weights("second", (CHANNELS, CHANNELS, 1, 1), 3),
        *weights("depthwise", (CHANNELS, 1, 3, 3), 4),
        *weights("head", (3, CHANNELS), 5, head_scale),
    ]
    return model_of(nodes, tensors)


def model_of(nodes: list[NodeProto], tensors: list[TensorProto], opset: int = 17) -> ModelProto:
    """A model with these nodes and a spec."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("angles", TensorProto.FLOAT, ["N", 3])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: tiny_spec().to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model: ModelProto, path: Path) -> Path:
    onnx.save(model, str(path))
    return path
