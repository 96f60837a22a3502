"""Suite ``rtx-builds``: what TensorRT-RTX's parser and builder make of every family, without a GPU.

Each architecture of ``hpe-edge export onnx --list`` is built with untrained weights in FP32, FP16 and INT8, as
``hpe-edge export trt --rtx`` builds it, and in FP16 for Turing. INT8 has every layer that may be INT8, with made-up
ranges: they change no kernel. The layers come from the builder's log. Nothing is run: no time here is one of a network.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnx import ModelProto

from benchmarks.harness.suite import Suite, option
from benchmarks.harness.timing import Effort, Result
from export import zoo
from export.graph import trace as graph
from export.graph.weighted_layers import WEIGHTED, head_nodes, name_nodes
from export.quantize.insert_qdq import candidates, quantize, tensors_to_calibrate
from export.step import quiet
from export.tensorrt.build import build_plan
from export.tensorrt.make_rtx import rtx_graph
from export.tensorrt.rtx_layers import RtxLayer, int8_use, parse_layers, share
from export.tensorrt.settings import Settings, Version
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
from hpe_edge.backends.tensorrt.plan_file import Hardware, Precision
from hpe_edge.errors import HpeEdgeError, ModelError
from hpe_edge.spec import ModelSpec, Origin

PROFILE = (1, 4, 16)
VARIANTS: tuple[tuple[Precision, Hardware], ...] = (
    ("fp32", "ampere-plus"),
    ("fp16", "ampere-plus"),
    ("int8", "ampere-plus"),
    ("fp16", "turing"),
)
_RANGE = 4.0  # of every tensor in INT8


@dataclass(frozen=True)
class RtxBuild:
    """A build.

    Attributes:
        graph: that the parser read.
        seconds: of parser and builder.
        plan_bytes: size of the plan.
        layers: its kernels.
    """

    graph: ModelProto
    seconds: float
    plan_bytes: int
    layers: tuple[RtxLayer, ...]

    def head(self) -> list[RtxLayer]:
        """Return the kernels of the layers that output the angles."""
        names = {node.name for node in head_nodes(self.graph) if node.op_type in WEIGHTED}
        return [layer for layer in self.layers if names & set(layer.nodes)]


def untrained(architecture: str) -> tuple[ModelProto, ModelSpec]:
    """Return a family's graph with initial weights, and its spec; needs torch."""
    import torch

    torch.manual_seed(0)
    family = zoo.get(architecture)
    spec = family.spec(Origin("untrained weights", "0" * 64))
    network = family.export_form(family.builds[0]().eval()).eval()
    model = graph.simplify(graph.trace(network, spec.input, spec.outputs, None))
    name_nodes(model)
    return model, spec


def in_precision(model: ModelProto, precision: Precision) -> ModelProto:
    """Return the file to build from: the graph itself, or with INT8 layers.

    Raises:
        ModelError: no layer of it may be INT8.
    """
    if precision != "int8":
        return model
    layers = candidates(model)
    return quantize(model, layers, dict.fromkeys(tensors_to_calibrate(model, layers), _RANGE))


def build_rtx(model: ModelProto, spec: ModelSpec, precision: Precision, hardware: Hardware = "ampere-plus") -> RtxBuild:
    """Build a graph of :func:`in_precision`.

    Raises:
        ModelError: the parser rejects it.
        BackendError: TensorRT-RTX is missing, or its builder fails.
    """
    trt = load_tensorrt("tensorrt-rtx")
    version = Version.of(trt.__version__, "tensorrt-rtx")
    settings = Settings(precision=precision, hardware=hardware)
    ready = rtx_graph(model, spec, settings, version, PROFILE, quiet)
    start = time.perf_counter()
    built = build_plan(
        trt, contextlib.nullcontext(), ready, settings, PROFILE, None, detailed=True, report=quiet, version=version
    )
    seconds = time.perf_counter() - start
    return RtxBuild(ready, seconds, len(built.plan), tuple(parse_layers(built.layers)))


def figures(built: RtxBuild) -> dict[str, float | None]:
    """Return the figures of a build that the table shows."""
    int8 = int8_use(built.graph, built.layers)
    return {
        "parsed": 1,
        "built": 1,
        "build_seconds": round(built.seconds, 3),
        "plan_bytes": built.plan_bytes,
        "kernels": len(built.layers),
        "fp16_percent": round(100 * share(built.layers, "FP16"), 1),
        "int8_percent": round(100 * share(built.layers, "INT8"), 1),
        "int8_layers": int8.asked,
        "int8_layers_computed": int8.computed,
        "int8_layers_fused": int8.fused,
    }


@dataclass(frozen=True)
class Options:
    arch: Sequence[str] = option("architectures; default: all", (), nargs="+", metavar="NAME")


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    yield Result("library", {"tensorrt_rtx": load_tensorrt("tensorrt-rtx").__version__})
    for architecture in options.arch or zoo.names():
        model, spec = untrained(architecture)
        for precision, hardware in VARIANTS:
            yield _result(architecture, model, spec, precision, hardware)


def _result(architecture: str, model: ModelProto, spec: ModelSpec, precision: Precision, hardware: Hardware) -> Result:
    about: dict[str, str | int] = {"model": architecture, "precision": precision, "for": hardware}
    try:
        source = in_precision(model, precision)
    except ModelError as error:
        return Result("build", about, skipped={"int8": str(error)})
    try:
        built = build_rtx(source, spec, precision, hardware)
    except HpeEdgeError as error:
        parsed = not isinstance(error, ModelError)
        return Result("build", about, skipped={"build": str(error)}, figures={"parsed": int(parsed), "built": 0})
    return Result("build", about, figures=figures(built))


SUITE = Suite("rtx-builds", "TensorRT-RTX's parser and builder on every family", _run, Options)
