"""A network small enough for every test: the mean of each channel, then one linear layer to three heads of bins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hpe_edge.spec import METADATA_KEY, BinHead, BinsDecode, Crop, Input, ModelSpec, Origin


def tiny_spec(size: int = 64, bins: int = 66) -> ModelSpec:
    heads = [BinHead("logits", i * bins, -99.0, 198.0 / bins, bins) for i in range(3)]
    return ModelSpec(
        architecture="tiny",
        input=Input(size=size, color="RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        outputs=("logits",),
        crop=Crop(margins=(0.1, 0.1, 0.1, 0.1)),
        decode=BinsDecode(*heads),
        origin=Origin("tiny.pth", "0" * 64, {"test": "1"}),
    )


def tiny_weights(bins: int = 66) -> tuple[np.ndarray, np.ndarray]:
    """Weight [3, 3 * bins] and bias [3 * bins] of the linear layer."""
    rng = np.random.default_rng(7)
    return rng.normal(0, 2, (3, 3 * bins)).astype(np.float32), rng.normal(0, 1, 3 * bins).astype(np.float32)


def write_tiny_model(
    path: Path,
    size: int = 64,
    bins: int = 66,
    batch: int | None = None,
    *,
    spec: ModelSpec | str | None = "own",
    outputs: str = "logits",
    output_batch: int | None = None,
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """Write the model; ``spec`` may be another ModelSpec, raw text, or None for a file without one."""
    weight, bias = tiny_weights(bins)
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["levels"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], [outputs]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", dtype, [batch or "N", 3, size, size])],
        [helper.make_tensor_value_info(outputs, TensorProto.FLOAT, [output_batch or batch or "N", 3 * bins])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if spec == "own":
        spec = tiny_spec(size, bins)
        if dtype != TensorProto.FLOAT:
            name = {TensorProto.FLOAT16: "float16", TensorProto.UINT8: "uint8"}[dtype]
            changes = {"scale": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3} if name == "uint8" else {}
            spec = replace(spec, input=replace(spec.input, dtype=name, **changes))
    if spec is not None:
        text = spec if isinstance(spec, str) else spec.to_json()
        helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, str(path))
    return path
