"""The precision of ONNX graphs, against ONNX Runtime's own converters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from export.graph.onnx_file import graph_precision


class Crops(CalibrationDataReader):
    def __init__(self) -> None:
        self._left = [{"x": np.random.default_rng(i).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)} for i in range(3)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


def convolution() -> onnx.ModelProto:
    weight = np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"]), helper.make_node("Cast", ["y"], ["z"], to=TensorProto.DOUBLE)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("z", TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_precision_is_read_from_graphs_that_others_made(tmp_path: Path) -> None:
    plain, quantised = tmp_path / "plain.onnx", tmp_path / "int8.onnx"
    onnx.save(convolution(), str(plain))
    quantize_static(str(plain), str(quantised), Crops(), quant_format=QuantFormat.QDQ)
    assert graph_precision(onnx.load(plain)) == "fp32"
    assert graph_precision(onnx.load(quantised)) == "int8"
    half = convert_float_to_float16(convolution(), keep_io_types=True)
    assert graph_precision(half) == "fp16"
    both = convert_float_to_float16(onnx.load(str(quantised)), keep_io_types=True)
    assert graph_precision(both) == "int8+fp16"
    only_weight = convolution()
    only_weight.graph.initializer.append(numpy_helper.from_array(np.float16([1]), "h"))
    assert graph_precision(only_weight) == "fp16"
    only_cast = convolution()
    only_cast.graph.node[1].attribute[0].i = TensorProto.FLOAT16
    assert graph_precision(only_cast) == "fp16"
