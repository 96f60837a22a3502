"""Conversion of graphs to FP16 with float32 inputs, outputs and head, and emulation of FP16 rounding."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference, version_converter
from onnxruntime.transformers.float16 import convert_float_to_float16

from export.graph.onnx_file import sort_nodes
from export.graph.trace import opset
from export.graph.weighted_layers import head_nodes, name_nodes, readers_of
from hpe_edge.errors import ModelError

QUANTIZED_OPSET = 19  # the first in which scales may be FP16
SMALLEST = 2.0**-24  # FP16's smallest number above 0, and
LARGEST = 65504.0  # its largest
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


@dataclass(frozen=True)
class Loss:
    """A constant with values outside of FP16's range.

    Attributes:
        name: of the weight, in the graph.
        vanishing: number of values below FP16's smallest, which replaces them.
        overflowing: number of values above FP16's largest, which replaces them.
    """

    name: str
    vanishing: int
    overflowing: int

    def __str__(self) -> str:
        parts = [f"{self.vanishing} too small for FP16"] * (self.vanishing > 0)
        parts += [f"{self.overflowing} too large for FP16"] * (self.overflowing > 0)
        return f"{self.name}: {', '.join(parts)}"


def to_half(model: ModelProto) -> ModelProto:
    """A copy that computes in FP16, from a cast behind the input to the last layers with weights.

    The head stays float32, because it outputs the angles: near 60 degrees FP16 has steps of 0.03. A graph with Q/DQ
    pairs becomes opset 19, the first with FP16 scales.

    Raises:
        ModelError: the graph cannot be converted.
    """
    result = ModelProto()
    result.CopyFrom(model)
    if any(node.op_type == "QuantizeLinear" for node in result.graph.node) and opset(result) < QUANTIZED_OPSET:
        result = version_converter.convert_version(result, QUANTIZED_OPSET)
    name_nodes(result)
    _constants_to_initializers(result)
    blocked = [node.name for node in head_nodes(result)]
    log = logging.getLogger("onnxruntime.transformers.float16")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        result = convert_float_to_float16(result, keep_io_types=True, node_block_list=blocked)
    except Exception as error:  # the converter has no error class
        raise ModelError(f"the graph cannot be converted to FP16 ({error})") from None
    finally:
        log.setLevel(level)
    _drop_duplicate_casts(result)
    _drop_round_trips(result)
    sort_nodes(result.graph)
    del result.graph.value_info[:]  # partly with the old types
    try:
        onnx.checker.check_model(result, full_check=True)
    except Exception as error:  # shape inference has other error classes
        raise ModelError(f"the graph in FP16 is not valid ONNX ({error}); upgrade onnxruntime") from None
    return result


def losses(before: ModelProto, after: ModelProto) -> list[Loss]:
    """The constants that :func:`to_half` changed by more than rounding."""
    half = {each.name for each in after.graph.initializer if each.data_type == TensorProto.FLOAT16}
    found = []
    for name, tensor in _constants(before).items():
        if name not in half or tensor.data_type != TensorProto.FLOAT:
            continue
        size = np.abs(numpy_helper.to_array(tensor))
        loss = Loss(name, int(((size > 0) & (size < SMALLEST)).sum()), int((size > LARGEST).sum()))
        if loss.vanishing or loss.overflowing:
            found.append(loss)
    return found


def _constants(model: ModelProto) -> dict[str, TensorProto]:
    tensors = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return tensors


def _constants_to_initializers(model: ModelProto) -> None:
    """Turn Constant nodes into weights, which the converter treats by their readers and :func:`losses` covers."""
    graph = model.graph
    del graph.value_info[:]  # the converter infers it anew
    known = {each.name for each in graph.initializer}
    for name, tensor in _constants(model).items():
        if name not in known:
            moved = graph.initializer.add()
            moved.CopyFrom(tensor)
            moved.name = name
    known = {each.name for each in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Constant" and node.output[0] in known]:
        graph.node.remove(node)


def _drop_duplicate_casts(model: ModelProto) -> None:
    """Remove duplicates: the converter adds a tensor's cast once per reading node of the head."""
    seen: set[str] = set()
    for node in list(model.graph.node)[::-1]:
        if node.op_type == "Cast" and node.output[0] in seen:
            model.graph.node.remove(node)
        seen.update(node.output)


def _drop_round_trips(model: ModelProto) -> None:
    """Remove the converter's casts to FP16 and back within the head, which would undo float32."""
    graph = model.graph
    maker = {output: node for node in graph.node for output in node.output}
    readers = readers_of(model)
    outputs = {output.name for output in graph.output}
    for back in [node for node in graph.node if _casts(node, TensorProto.FLOAT)]:
        there = maker.get(back.input[0])
        if there is None or not _casts(there, TensorProto.FLOAT16) or there.input[0] not in maker:
            continue
        old, new = back.output[0], there.input[0]
        if old in outputs:
            # The graph's output keeps its name: rename the head's result.
            old, new = new, old
            made = maker[old]
            made.output[list(made.output).index(old)] = new
            maker[new] = made
        for node in readers[old]:
            node.input[:] = [new if name == old else name for name in node.input]
            readers[new].append(node)
        graph.node.remove(back)
    used = Counter(name for node in graph.node for name in node.input)
    for node in [node for node in graph.node if node.op_type == "Cast" and not used[node.output[0]]]:
        if node.output[0] not in outputs:
            graph.node.remove(node)


def _casts(node: NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and bool(helper.get_node_attr_value(node, "to") == kind)


def rounding(model: ModelProto) -> ModelProto:
    """Rewrite an FP16 graph in float32 with FP16 rounding; a graph without FP16 stays as it is.

    On most CPUs ONNX Runtime computes FP16 in float32 without the casts between: no rounding and no overflow, unlike a
    GPU. Here each FP16 tensor is cast to FP16 and back, which ONNX Runtime keeps. Within a convolution or product the
    sums are float32, as on tensor cores.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    halves = _half_tensors(model)
    if not halves:
        return result
    for tensor in graph.initializer:
        _widen(tensor)
    nodes: list[NodeProto] = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _widen(attribute.t)
        if node.op_type == "Cast" and helper.get_node_attr_value(node, "to") in _FLOATS:
            node.op_type = "Identity"
            del node.attribute[:]
        rounded = [name for name in node.output if name in halves]
        node.output[:] = [f"{name}_exact" if name in halves else name for name in node.output]
        nodes.append(node)
        for name in rounded:
            nodes.append(helper.make_node("Cast", [f"{name}_exact"], [f"{name}_half"], to=TensorProto.FLOAT16))
            nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    del graph.value_info[:]  # with the old types
    return result


def _half_tensors(model: ModelProto) -> set[str]:
    """Names of the FP16 activations."""
    inferred = shape_inference.infer_shapes(model)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    return {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT16}


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float32"), tensor.name))
