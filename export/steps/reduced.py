"""What export.fp16 and export.int8 share: the model they start from, the proof, and what they write."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from export.cli.output_path import as_typed
from export.cli.report import say, say_passed, size
from export.gate.crops import Faces
from export.gate.gate import GateFailed, Limits, Report, check_reference, compare, poses_of
from export.graph import trace as graph
from export.graph.onnx_file import open_unchanged, read_onnx, session_runner
from export.quantize.fp16_emulation import rounding
from export.steps.verify import prove
from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.poses import Poses
from hpe_edge.spec import METADATA_KEY, ModelSpec, Reduction
from hpe_edge.util.atomic import Pending
from hpe_edge.version import __version__

_TOOLS = ("onnx", "onnxruntime")
_BATCH = 8
_REARRANGED = ", as ONNX Runtime rearranges it"


@dataclass(frozen=True)
class Original:
    """An ONNX file with its spec, from which a shorter one is made."""

    path: Path
    model: ModelProto
    spec: ModelSpec
    sha256: str

    def poses(self, crops: NDArray[Any]) -> Poses:
        """What it says of crops, run as it is written."""
        return poses_as_written(self.path, self.model, self.spec, crops)


def read_original(path: Path) -> Original:
    """The file to start from, which computes in float32 or INT8.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no ONNX model, has no spec, or is in FP16 already.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no model {path}; make one with python -m export.onnx CHECKPOINT -o {path}")
    model, sha256 = read_onnx(path)
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        raise ModelError(
            f"{path} carries no hpe_edge spec, so its crop, normalisation and bins are unknown; export it from its "
            f"checkpoint: python -m export.onnx CHECKPOINT -o {path.name}; or adopt it with --adopt"
        )
    try:
        spec = ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    halves = [each for each in model.graph.initializer if each.data_type == onnx.TensorProto.FLOAT16]
    if halves or spec.numbers.endswith("fp16") or spec.input.dtype == "float16":
        raise ModelError(f"{path} is in FP16 already; start from the file that it was made from{_of(spec)}")
    say("model", f"{path}, sha256 {sha256[:12]}..., {spec.architecture}, {spec.numbers}, {size(model.ByteSize())}")
    return Original(path, model, spec, sha256)


def reduced(original: Original, step: Reduction, made: ModelProto) -> ModelSpec:
    """The spec of what a step made, before the gate has spoken."""
    tools = {name: str(importlib.import_module(name).__version__) for name in _TOOLS}
    tools = {"hpe_edge": __version__, **tools, "opset": str(graph.opset(made))}
    step = replace(step, source=original.path.name, sha256=original.sha256, tools=tools, gate=original.spec.gate)
    return replace(original.spec, gate=None, reductions=(*original.spec.reductions, step))


def poses_as_written(path: Path, model: ModelProto, spec: ModelSpec, crops: NDArray[Any]) -> Poses:
    """Poses of crops by the very graph, as TensorRT takes it.

    ONNX Runtime does not rearrange it, for it would move Q/DQ pairs, which changes the rounding; and what is FP16 is
    rounded to it.
    """
    runner = session_runner(open_unchanged(path, rounding(model)), spec, graph.batch(model) or _BATCH)
    return poses_of(runner, spec, crops, len(crops))


def prove_reduced(
    reference: Poses, compared: str, model: ModelProto, spec: ModelSpec, faces: Faces, limits: Limits, pending: Pending
) -> ModelSpec:
    """Write a model, not yet under its name, and hold it against what it was made from.

    Args:
        reference: the original's poses of the faces.
        compared: names the two, such as ``"fp16 with fp32"``.
        model, spec: what is written.
        faces: real crops.
        limits: what passes.
        pending: where it is written.

    Returns:
        The spec with the gate's result, as it was written.

    Raises:
        ModelError: the original's answers are NaN, or all the same.
        GateFailed: it differs by more than the limits, as it is written or as this machine runs it; the table was
            printed.
    """
    written = as_written(reference, compared, pending.path, model, spec, faces, limits)
    if not written.passed:
        say("gate", *written.table().splitlines())
        raise GateFailed(written)
    graph.save(model, spec, pending)
    reports = prove(reference, f"{compared}{_REARRANGED}", pending.temp, spec, faces, limits)
    say_passed([written, *reports])
    spec = replace(spec, gate=written.result())
    graph.save(model, spec, pending)
    return spec


def as_written(
    reference: Poses, compared: str, path: Path, model: ModelProto, spec: ModelSpec, faces: Faces, limits: Limits
) -> Report:
    """The comparison of a graph, not rearranged, with the original."""
    check_reference(reference, compared.partition(" with ")[2])
    poses = poses_as_written(path, model, spec, faces.crops)
    return compare(reference, poses, compared=compared, source=faces.source, limits=limits)


def as_rearranged(
    reference: Poses, compared: str, path: Path, model: ModelProto, spec: ModelSpec, faces: Faces, limits: Limits
) -> Report:
    """The comparison of a graph as ONNX Runtime rearranges it for this machine; see :func:`as_written`."""
    session = open_session(path, graph=model.SerializeToString())
    batch = graph.batch(model) or _BATCH
    poses = poses_of(session_runner(session, spec, batch), spec, faces.crops, len(faces.crops))
    return compare(reference, poses, compared=f"{compared}{_REARRANGED}", source=faces.source, limits=limits)


def commit(out: Path, pendings: list[Pending], precision: str) -> None:
    """Give the finished files their names, the model last, and say so; ``precision`` is an option of export.trt."""
    replaced = out.exists()
    for pending in reversed(pendings):
        pending.commit()
    # The file is there: whoever stops listening or waiting now changes nothing about that.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        for pending in pendings[1:]:
            say("kept", f"{pending.path}")
        say("written", f"{out}, {size(out.stat().st_size)}{', in place of the file that was there' * replaced}")
        say("next", f"python -m export.trt {as_typed(out)} {precision}, on the machine that is to run it")


def _of(spec: ModelSpec) -> str:
    return f" ({spec.reductions[-1].source})" if spec.reductions else ""
