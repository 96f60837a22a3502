"""Layers of a TensorRT-RTX plan, as the builder's log lists them: no plan can be inspected without a GPU."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from onnx import ModelProto

from export.graph.weighted_layers import WEIGHTED
from hpe_edge.errors import BackendError

_TYPES = {"Float": "FP32", "Half": "FP16", "Int8": "INT8", "Int32": "INT32", "Int64": "INT64", "Bool": "BOOL"}
_POINTWISE = "kgen"
_NO_KERNEL = ("shape_call",)  # shapes on the host
_SECTION = re.compile(r"(Inputs|Constants|Outputs): \[(.*?)\](?=, (?:Constants|Outputs|TacticName))", re.DOTALL)


@dataclass(frozen=True)
class RtxLayer:
    """A kernel of the plan.

    Attributes:
        name: in the plan.
        kind: ``"correlation"`` (a convolution), ``"gemm"``, ``"kgen"`` (generated, often pointwise) and others.
        reads, constants, writes: types of the tensors, such as ``"FP16"``.
        nodes: names of the ONNX nodes that are fused in it.
        tactic: the kernel's name.
    """

    name: str
    kind: str
    reads: tuple[str, ...]
    constants: tuple[str, ...]
    writes: tuple[str, ...]
    nodes: tuple[str, ...]
    tactic: str


def parse_layers(log: str) -> list[RtxLayer]:
    """Read the builder's list of layers, one a line; shape computations on the host are left out.

    Raises:
        BackendError: it holds no layer that can be read.
    """
    found = []
    for line in log.splitlines():
        head = re.match(r"Name: (.*?), LayerType: (\w+), ", line)
        if head is None or head[2] in _NO_KERNEL:
            continue
        types = {name: _types(text) for name, text in _SECTION.findall(line)}
        tactic = re.search(r"TacticName: (.*?), StreamId", line)
        found.append(
            RtxLayer(
                head[1],
                head[2],
                types.get("Inputs", ()),
                types.get("Constants", ()),
                types.get("Outputs", ()),
                tuple(re.findall(r"\[ONNX Layer: (.*?)\]", line)),
                tactic[1] if tactic else "",
            )
        )
    if not found:
        raise BackendError(
            "TensorRT-RTX's log lists no layers; an engine that is open in this process keeps the log to itself: close "
            "it, or leave --layers out"
        )
    return found


def share(layers: Sequence[RtxLayer], precision: str) -> float:
    """Return the fraction of the kernels that read or write a precision, such as ``"FP16"``."""
    return sum(precision in (*layer.reads, *layer.writes) for layer in layers) / len(layers)


@dataclass(frozen=True)
class Int8Use:
    """INT8 layers of a graph and of its plan.

    Attributes:
        asked: layers with weights between Q/DQ nodes in the graph.
        computed: those of them that a kernel computes from INT8.
        fused: those of them whose kernel also writes INT8. The others write FP32, four bytes in place of one, for
            another kernel that quantizes.
    """

    asked: int
    computed: int
    fused: int


def int8_use(model: ModelProto, layers: Sequence[RtxLayer]) -> Int8Use:
    """Find the INT8 layers of the builder's graph in its plan."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    asked = {
        node.name
        for node in model.graph.node
        if node.op_type in WEIGHTED and all(makers.get(name) == "DequantizeLinear" for name in node.input[:2])
    }
    kernels = [layer for layer in layers if layer.kind != _POINTWISE and "INT8" in layer.reads]
    computed = {name for layer in kernels for name in layer.nodes}
    fused = {name for layer in kernels if set(layer.writes) == {"INT8"} for name in layer.nodes}
    return Int8Use(len(asked), len(asked & computed), len(asked & fused))


def layer_lines(layers: Sequence[RtxLayer]) -> list[str]:
    """Return a summary, then a line per kernel: kind, types and the fused nodes."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(layer.kind for layer in layers).most_common())
    lines = [f"{len(layers)} kernels: {kinds}"]
    for layer in layers:
        types = f"{'/'.join(dict.fromkeys(layer.reads)) or '-'} > {'/'.join(dict.fromkeys(layer.writes)) or '-'}"
        lines.append(f"{layer.kind:<15}{types:<14}{' + '.join(layer.nodes) or layer.name}")
    return lines


def _types(section: str) -> tuple[str, ...]:
    return tuple(_TYPES.get(name, name) for name in re.findall(r"Datatype: (\w+)", section))
