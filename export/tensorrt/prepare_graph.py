"""Preparation of an ONNX graph for the installed TensorRT and a precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export.graph.onnx_file import graph_precision
from export.graph.trace import opset
from export.graph.weighted_layers import readers_of
from export.step import Reporter
from export.tensorrt.settings import Settings, Version
from hpe_edge.backends.tensorrt.plan_file import Precision
from hpe_edge.errors import InputError
from hpe_edge.spec import PADDED_CHANNELS, ModelSpec


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

    Where TensorRT has no precision flags, FP32 becomes FP16 in the graph, also between INT8 layers. With the
    input's format hwc8, the input is FP16 and has 8 channels.

    Raises:
        InputError: the format is hwc8, and the network does not begin with an ungrouped convolution in FP16.
    """
    ready = ModelProto()
    ready.CopyFrom(model)
    if settings.precision != "fp32" and version.typed(settings) and "fp16" not in graph_precision(ready):
        from export.quantize.fp16_graph import to_half

        ready = to_half(ready)
        report("precision", [f"FP16 set in the graph, where {version.named} reads it"])
    if settings.input_format == "hwc8":
        _take_pixels(ready, half=version.typed(settings))
    outputs = [output for output in ready.graph.output if output.name in spec.outputs]
    del ready.graph.output[:]
    ready.graph.output.extend(outputs)
    if profile[0] == profile[2]:
        for value in (ready.graph.input[0], *ready.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = profile[0]
        del ready.graph.value_info[:]  # with the old batch
    onnx.checker.check_model(ready)
    return ready


def engine_spec(spec: ModelSpec, settings: Settings) -> ModelSpec:
    """The spec of an engine: the model's, with an FP16 input where the input's format is hwc8."""
    if settings.input_format == "linear":
        return spec
    return replace(spec, input=replace(spec.input, dtype="float16"))


def graph_input(crops: NDArray[Any], settings: Settings) -> NDArray[Any]:
    """Crops ``[N, 3, size, size]`` as the prepared graph takes them, in FP16 with five channels of 0 for hwc8."""
    if settings.input_format == "linear":
        return crops
    padding = (0, PADDED_CHANNELS - crops.shape[1])
    return np.pad(crops.astype(np.float16), ((0, 0), padding, (0, 0), (0, 0)))


def _take_pixels(model: ModelProto, *, half: bool) -> None:
    """Give the graph an input of 8 channels, of which its first layer weighs the last five with 0.

    With three channels TensorRT-RTX 1.7 copies the input before the first layer, into four channels, whatever its
    format is; with eight, the layer reads it.

    Args:
        half: also make the input FP16, without the cast behind it; otherwise the builder does.

    Raises:
        InputError: the input is read by anything but ungrouped convolutions in the precision of the engine.
    """
    given = model.graph.input[0]
    kind = given.type.tensor_type
    if half and kind.elem_type == TensorProto.FLOAT:
        for cast in readers_of(model)[given.name]:
            if cast.op_type != "Cast" or helper.get_node_attr_value(cast, "to") != TensorProto.FLOAT16:
                raise _other_first_layer(model)
            for node in readers_of(model)[cast.output[0]]:
                node.input[:] = [given.name if name == cast.output[0] else name for name in node.input]
            model.graph.node.remove(cast)
        kind.elem_type = TensorProto.FLOAT16
    weights = {each.name: each for each in model.graph.initializer}
    for layer in readers_of(model)[given.name]:
        kernel = weights.get(layer.input[1]) if layer.op_type == "Conv" else None
        if kernel is None or kernel.dims[1] != kind.shape.dim[1].dim_value or kind.elem_type == TensorProto.UINT8:
            raise _other_first_layer(model)
        values = numpy_helper.to_array(kernel)
        padding = (0, PADDED_CHANNELS - values.shape[1])
        padded = np.pad(values, ((0, 0), padding, (0, 0), (0, 0)))
        layer.input[1] = f"{layer.input[1]}_of_{layer.name or layer.output[0]}_padded"
        model.graph.initializer.append(numpy_helper.from_array(padded, layer.input[1]))
    used = {name for node in model.graph.node for name in node.input}
    for each in [each for each in model.graph.initializer if each.name not in used]:
        model.graph.initializer.remove(each)
    kind.shape.dim[1].dim_value = PADDED_CHANNELS


def _other_first_layer(model: ModelProto) -> InputError:
    given = model.graph.input[0]
    found = ", ".join(f"{node.name or node.output[0]} ({node.op_type})" for node in readers_of(model)[given.name])
    return InputError(
        "--input-format hwc8 needs a network that begins with an ungrouped convolution in FP16; this one's input "
        f"{given.name!r} is {TensorProto.DataType.Name(given.type.tensor_type.elem_type)} and read by {found}; leave "
        "--input-format out"
    )
