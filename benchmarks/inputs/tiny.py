"""A network so small that what stands around it can be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.inputs.scene import imagenet_input
from hpe_edge.errors import BackendError
from hpe_edge.spec import METADATA_KEY, BinHead, BinsDecode, Crop, ModelSpec, Origin

_BINS = 66


def write_tiny_model(path: Path, size: int) -> Path:
    """Write an ONNX file: the mean of each channel, then one linear layer to three heads of 66 bins.

    Raises:
        BackendError: the onnx package is missing.
    """
    try:
        import onnx
    except ImportError:
        raise BackendError(
            "the engine suite writes a small network with the onnx package, which is not installed: "
            "pip install onnx, or name a model of your own with --model"
        ) from None
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)
    weight = rng.normal(0, 2, (3, 3 * _BINS)).astype(np.float32)
    bias = rng.normal(0, 1, 3 * _BINS).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3 * _BINS])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: _spec(size).to_json()})
    onnx.save(model, str(path))
    return path


def _spec(size: int) -> ModelSpec:
    heads = [BinHead("logits", i * _BINS, -99.0, 3.0, _BINS) for i in range(3)]
    return ModelSpec(
        "tiny", imagenet_input(size), ("logits",), Crop(), BinsDecode(*heads), Origin("none", "0" * 64, {})
    )
