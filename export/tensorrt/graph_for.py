"""The ONNX graph as the installed TensorRT takes it for a precision."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from export.cli.report import say
from export.tensorrt.settings import Version
from hpe_edge.backends.onnx.precision import graph_precision
from hpe_edge.backends.tensorrt.plan_file import Precision
from hpe_edge.errors import InputError
from hpe_edge.spec import ModelSpec


def fixed_batch(model: ModelProto) -> int | None:
    """The graph's batch; None where it takes any."""
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    return first.dim_value if first.HasField("dim_value") else None


def check_precision(path: Path, model: ModelProto, precision: Precision, version: Version) -> None:
    """Hold the graph against what is asked for.

    Raises:
        InputError: the precision has to be asked for otherwise, or the graph has to be made first.
    """
    half, quantized = graph_precision(model.SerializeToString())
    if precision == "int8" and not quantized:
        raise InputError(
            f"{path} says nowhere what runs in INT8 (it has no DequantizeLinear nodes); make such a file first, with "
            f"faces to calibrate on: python -m export.int8 {path}"
        )
    if precision != "int8" and quantized:
        raise InputError(f"{path} is quantised to INT8; add --int8, or name the file that it was made from")
    if precision == "fp32" and half:
        raise InputError(f"{path} computes in FP16; add --fp16, or name the file that it was made from")
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if version.newest_opset is not None and opset > version.newest_opset:
        raise InputError(
            f"{path} is written in opset {opset}, TensorRT {version.text} reads up to {version.newest_opset}; export "
            "it again in that one, or upgrade TensorRT"
        )


def graph_for(
    model: ModelProto, spec: ModelSpec, precision: Precision, version: Version, profile: tuple[int, int, int]
) -> ModelProto:
    """A copy of the graph, ready for the parser.

    Where precision is set in the graph, FP32 becomes FP16 here, as flags would have it elsewhere, also between what is
    INT8. A batch that is not a range is fixed, and outputs that
    the spec does not name are left out.
    """
    ready = ModelProto()
    ready.CopyFrom(model)
    if precision != "fp32" and version.typed and not graph_precision(ready.SerializeToString()).half:
        from export.quantize.fp16_graph import to_half

        ready = to_half(ready)
        say("precision", f"FP16 set in the graph, as TensorRT {version.text} takes it from there")
    outputs = [output for output in ready.graph.output if output.name in spec.outputs]
    del ready.graph.output[:]
    ready.graph.output.extend(outputs)
    if profile[0] == profile[2]:
        for value in (ready.graph.input[0], *ready.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = profile[0]
        del ready.graph.value_info[:]  # they may say another batch
    onnx.checker.check_model(ready)
    return ready
