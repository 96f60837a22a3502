"""Common parts of FP16 and INT8: reading the original, the spec, verification."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from export.gate.comparison import Comparison
from export.gate.gate import poses_of
from export.gate.verify import Check, report_passed, verify
from export.graph import trace as graph
from export.graph.onnx_file import graph_precision, open_unchanged, read_onnx, session_runner
from export.graph.weighted_layers import Layer
from export.quantize.fp16_graph import rounding
from export.step import Reporter, byte_size
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.models import DEFAULT, DEFAULT_NAME
from hpe_edge.poses import Poses
from hpe_edge.spec import METADATA_KEY, ModelSpec, Quantization
from hpe_edge.util.atomic import Pending
from hpe_edge.version import __version__

_TOOLS = ("onnx", "onnxruntime")
_BATCH = 8
_OPTIMIZED = ", optimized by ONNX Runtime"


@dataclass(frozen=True)
class Original:
    """An ONNX file with its spec, to be quantized."""

    path: Path
    model: ModelProto
    spec: ModelSpec
    sha256: str

    def poses(self, crops: NDArray[Any]) -> Poses:
        """Poses of crops by the graph, without optimisation."""
        return poses_as_written(self.path, self.model, self.spec, crops)


@dataclass(frozen=True)
class ToTrain:
    """A graph to be trained for INT8.

    Attributes:
        original: the float32 model, whose answers it shall keep.
        graph: the same with equalized channels.
        layers, ranges: see :func:`export.quantize.insert_qdq.quantize`.
        gate_names: the pictures that the accuracy gate runs on.
    """

    original: Original
    graph: ModelProto
    layers: tuple[Layer, ...]
    ranges: Mapping[str, float]
    gate_names: frozenset[str]


Training = Callable[[ToTrain], tuple[ModelProto, dict[str, float]]]
"""Trains a graph; returns it with other weights, and the ranges of its activations."""


def model_or_default(model: str | Path | None, report: Reporter) -> Path:
    """The path of a model; None is the embedded one, which is reported."""
    if model is None:
        report("model", [f"none given: {DEFAULT_NAME}"])
        return DEFAULT
    return Path(model)


def read_exported(path: Path, report: Reporter) -> Original:
    """Read a model with its spec.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no ONNX model, or has no spec.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no model {path}; make one with hpe-edge export onnx CHECKPOINT -o {path}")
    model, sha256 = read_onnx(path)
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        raise ModelError(
            f"{path} carries no hpe_edge spec, so its crop, normalisation and bins are unknown; make a copy that has "
            f"one: hpe-edge export onnx --adopt {shlex.quote(str(path))} --arch NAME (--list shows them), or export "
            "its checkpoint: hpe-edge export onnx CHECKPOINT"
        )
    try:
        spec = ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    facts = f"{spec.architecture}, {spec.precision}, {byte_size(model.ByteSize())}"
    report("model", [f"{path}, sha256 {sha256[:12]}..., {facts}"])
    return Original(path, model, spec, sha256)


def read_original(path: Path, report: Reporter) -> Original:
    """Read the model to start from, in float32 or INT8; see :func:`read_exported`.

    Raises:
        ModelError: it is in FP16 already.
    """
    original = read_exported(path, report)
    if "fp16" in graph_precision(original.model):
        steps = original.spec.quantizations
        source = f" ({steps[-1].source})" if steps else ""
        raise ModelError(f"{path} is in FP16 already; start from the file that it was made from{source}")
    return original


def quantized_spec(original: Original, step: Quantization, model: ModelProto) -> ModelSpec:
    """The spec of a quantized model, before the gate."""
    tools = {name: str(importlib.import_module(name).__version__) for name in _TOOLS}
    tools = {"hpe_edge": __version__, **tools, "opset": str(graph.opset(model))}
    step = replace(step, source=original.path.name, sha256=original.sha256, tools=tools, gate=original.spec.gate)
    return replace(original.spec, gate=None, quantizations=(*original.spec.quantizations, step))


def poses_as_written(path: Path, model: ModelProto, spec: ModelSpec, crops: NDArray[Any]) -> Poses:
    """Poses of crops by the graph as TensorRT reads it.

    Without ONNX Runtime's optimisations, which move Q/DQ pairs and so change the rounding, and with FP16 rounding.
    """
    runner = session_runner(open_unchanged(path, rounding(model)), spec, graph.batch(model) or _BATCH)
    return poses_of(runner, spec, crops, len(crops))


def poses_simulated(path: Path, model: ModelProto, spec: ModelSpec, crops: NDArray[Any]) -> Poses:
    """Poses as of :func:`poses_as_written`, in half its time, but for rounding: within 0.05 degrees.

    Everything but the Q/DQ pairs is optimised for this machine.
    """
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"{path} does not run in ONNX Runtime ({error})") from None
    return poses_of(session_runner(session, spec, graph.batch(model) or _BATCH), spec, crops, len(crops))


def write_verified(
    reference: Poses, model: ModelProto, spec: ModelSpec, check: Check, pending: Pending
) -> tuple[ModelSpec, list[Comparison]]:
    """Write the verified quantized model to ``pending``, not yet under its name.

    Returns:
        The spec with the gate's result, as written, and the comparisons.

    Raises:
        ModelError: the original's poses are NaN or constant.
        GateFailed: the angles differ, with or without ONNX Runtime's optimisations.
    """
    written = as_written(reference, pending.path, model, spec, check)
    check.require(written)
    graph.save(model, spec, pending)
    optimized = replace(check, compared=f"{check.compared}{_OPTIMIZED}")
    comparisons = [written, *verify(reference, pending.temp, spec, optimized)]
    report_passed(comparisons, check.report)
    spec = replace(spec, gate=written.result())
    graph.save(model, spec, pending)
    return spec, comparisons


def as_written(reference: Poses, path: Path, model: ModelProto, spec: ModelSpec, check: Check) -> Comparison:
    """Compare a graph, without optimisation, with the original."""
    check.check_reference(reference)
    return check.compare(reference, poses_as_written(path, model, spec, check.faces.crops))
