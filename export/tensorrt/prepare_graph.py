"""Preparation of an ONNX graph for the installed TensorRT and a precision."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from export.graph.onnx_file import graph_precision
from export.graph.trace import opset
from export.step import Reporter
from export.tensorrt.settings import Settings, Version
from hpe_edge.backends.tensorrt.plan_file import Precision
from hpe_edge.errors import InputError
from hpe_edge.spec import ModelSpec


def check_precision(path: Path, model: ModelProto, precision: Precision, version: Version) -> None:
    """Compare the graph's precision with the one asked for.

    Raises:
        InputError: the graph has another precision, or an opset that TensorRT does not read.
    """
    found = graph_precision(model)
    half, quantized = "fp16" in found, "int8" in found
    if precision == "int8" and not quantized:
        raise InputError(
            f"{path} has no DequantizeLinear nodes, so nothing in it is INT8; make such a file first, with "
            f"calibration images: hpe-edge export int8 {path}"
        )
    if precision != "int8" and quantized:
        raise InputError(f"{path} is quantized to INT8; add --int8, or name the file that it was made from")
    if precision == "fp32" and half:
        raise InputError(f"{path} computes in FP16; add --fp16, or name the file that it was made from")
    if version.newest_opset is not None and opset(model) > version.newest_opset:
        raise InputError(
            f"{path} has opset {opset(model)}, {version.named} reads up to {version.newest_opset}; export it "
            "again in that one, or upgrade TensorRT"
        )


def prepare_graph(
    model: ModelProto,
    spec: ModelSpec,
    settings: Settings,
    version: Version,
    profile: tuple[int, int, int],
    report: Reporter,
) -> ModelProto:
    """A copy of the graph for the parser: only the spec's outputs, and a fixed batch where the profile is one number.

    Where TensorRT has no precision flags, FP32 becomes FP16 in the graph, also between INT8 layers.
    """
    ready = ModelProto()
    ready.CopyFrom(model)
    if settings.precision != "fp32" and version.typed(settings) and "fp16" not in graph_precision(ready):
        from export.quantize.fp16_graph import to_half

        ready = to_half(ready)
        report("precision", [f"FP16 set in the graph, where {version.named} reads it"])
    outputs = [output for output in ready.graph.output if output.name in spec.outputs]
    del ready.graph.output[:]
    ready.graph.output.extend(outputs)
    if profile[0] == profile[2]:
        for value in (ready.graph.input[0], *ready.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = profile[0]
        del ready.graph.value_info[:]  # with the old batch
    onnx.checker.check_model(ready)
    return ready
