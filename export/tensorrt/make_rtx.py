"""Making of a TensorRT-RTX engine: on any machine, for GPUs that verify it when they load it.

The build needs no GPU. The graph that the builder gets is compared with the ONNX file on the CPU; the engine itself is
compared on each kind of GPU that loads it, with the crops that :mod:`hpe_edge.backends.tensorrt.gate_file` keeps.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from export.gate.comparison import Comparison
from export.gate.crops import gate_faces
from export.gate.gate import poses_of
from export.gate.verify import Check, report_passed
from export.graph.onnx_file import open_unchanged, read_onnx, session_runner
from export.graph.trace import batch
from export.inspection.latency import measure_latency
from export.step import ExportReport, Notes, Reporter, byte_size, check_output, commit, write_bytes
from export.tensorrt.build import build_plan
from export.tensorrt.make_engine import ADVICE, LIMITS, REFERENCE_BATCH, Request, onnx_file, rebuild_command
from export.tensorrt.prepare_graph import check_precision, engine_spec, graph_input, prepare_graph
from export.tensorrt.rtx_layers import int8_use, layer_lines, parse_layers
from export.tensorrt.settings import Settings, Version
from export.tensorrt.turing_graph import products_to_convolutions
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.backends.tensorrt.buckets import Profile, buckets
from hpe_edge.backends.tensorrt.gate_file import GateCrops, gate_file, input_of, levels_of
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
from hpe_edge.backends.tensorrt.plan_file import PLAN_SUFFIXES, EngineInfo, digest, sidecar
from hpe_edge.errors import InputError
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec
from hpe_edge.util.atomic import pending_files
from hpe_edge.version import __version__

_CROPS = 64  # that travel with the engine: a few MB
_COMPARED = "engine with onnx"


def check_rtx(settings: Settings, device: str) -> None:
    """Refuse settings that TensorRT-RTX does not have.

    Raises:
        InputError: one of them is set.
    """
    given = {
        "--device": device != "cuda",
        "--workspace": settings.workspace_mb is not None,
        "--level": settings.level is not None,
        "--version-compatible": settings.version_compatible,
        "--dla": settings.dla_core is not None,
    }
    if unknown := [option for option, there in given.items() if there]:
        raise InputError(f"{', '.join(unknown)} is for TensorRT, not for a build by TensorRT-RTX; leave it out")
    if settings.hardware not in ("ampere-plus", "turing"):
        raise InputError(
            f"--hardware {settings.hardware} is for TensorRT; engines of TensorRT-RTX run on all GPUs from Ampere on "
            "(ampere-plus, the default) or on Turing (turing)"
        )


def make_rtx_engine(source: Path, request: Request, settings: Settings, notes: Notes) -> ExportReport:
    """Build an engine of an ONNX file or checkpoint. See :func:`export.trt.build`."""
    trt = load_tensorrt("tensorrt-rtx")
    version = Version.of(trt.__version__, "tensorrt-rtx")
    notes("machine", [f"{version.named}, which builds without a GPU; for {settings.hardware}"])
    with onnx_file(source, request, settings, notes) as path:
        spec = OnnxRuntimeBackend(path).spec  # which checks the file
        out = request.output or Path(f"{source.stem if path == source else spec.architecture}.rtx")
        inputs = [("the model", source), ("--images", request.images), ("--boxes", request.boxes)]
        files = {out: PLAN_SUFFIXES["tensorrt-rtx"], sidecar(out): (".json",), gate_file(out): (".npz",)}
        for file, suffixes in files.items():
            check_output(file, suffixes, inputs)
        model, _ = read_onnx(path)
        check_precision(source, model, settings.precision, version)
        profile = version.profile(settings, batch(model))
        pendings = pending_files(files)
        try:
            ready = rtx_graph(model, spec, settings, version, profile, notes)
            comparison, kept = _verify_graph(request, path, model, ready, settings, spec, notes)
            built = build_plan(
                trt,
                contextlib.nullcontext(),
                ready,
                settings,
                profile,
                None,
                detailed=request.layers or settings.precision == "int8",
                report=notes,
                version=version,
            )
            if request.layers:
                notes("layers", layer_lines(parse_layers(built.layers)))
            if settings.precision == "int8":
                _report_int8(ready, built.layers, notes)
            batches = ", ".join(map(str, buckets(profile)))
            notes("engine", [f"{settings.precision}, batches of {batches}, {byte_size(len(built.plan))}"])
            info = EngineInfo(
                spec=engine_spec(spec, settings),
                tensorrt=version.text,
                gpu="",
                compute_capability="",
                precision=settings.precision,
                profile=profile,
                plan_bytes=len(built.plan),
                plan_sha256=digest(built.plan),
                rebuild=rebuild_command(request, settings, out, "--rtx"),
                hardware=settings.hardware,
                tools={"hpe_edge": __version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
                library="tensorrt-rtx",
                input_format=settings.input_format,
            )
            crops = kept.to_bytes(info.plan_sha256)
            notes(
                "unverified",
                [f"the engine is verified by each kind of GPU that loads it first, with {gate_file(out).name}, "
                 f"{byte_size(len(crops))}: keep the three files together"],
            )  # fmt: skip
            measure_latency(None, notes)
            for pending, content in zip(pendings, (built.plan, info.to_json().encode(), crops), strict=True):
                write_bytes(pending, content)
            return commit(out, pendings, spec, comparison, notes)
        finally:
            for pending in pendings:
                pending.discard()


def rtx_graph(
    model: ModelProto, spec: ModelSpec, settings: Settings, version: Version, profile: Profile, report: Reporter
) -> ModelProto:
    """A copy of the graph for TensorRT-RTX's parser; see :func:`export.tensorrt.prepare_graph.prepare_graph`."""
    ready = prepare_graph(model, spec, settings, version, profile, report)
    if settings.hardware != "turing":
        return ready
    report("turing", ["fully connected layers become convolutions: Turing has no FP32 matrix products in TensorRT-RTX"])
    return products_to_convolutions(ready)


def _report_int8(ready: ModelProto, log: str, notes: Notes) -> None:
    """Say what becomes of INT8: TensorRT-RTX 1.7 fuses no quantization into convolutions."""
    layers = parse_layers(log)
    use = int8_use(ready, layers)
    lines = [f"{use.computed} of {use.asked} layers compute from INT8, in {len(layers)} kernels"]
    if use.fused < use.asked:
        lines.append(
            f"{use.asked - use.fused} of them write FP32 or FP16 for another kernel that quantizes: --fp16 has fewer "
            "kernels and is likely faster; measure both"
        )
    notes("int8", lines)


def _verify_graph(
    request: Request,
    path: Path,
    model: ModelProto,
    ready: ModelProto,
    settings: Settings,
    spec: ModelSpec,
    notes: Notes,
) -> tuple[Comparison, GateCrops]:
    """Compare the builder's graph with the ONNX file on the CPU; return the crops for the engine's own gate."""
    faces = gate_faces(spec.crop, spec.input, request.images, request.boxes)
    notes("faces", [faces.source, *faces.notes])
    some = np.linspace(0, len(faces.crops) - 1, min(_CROPS, len(faces.crops))).round().astype(np.intp)
    levels = levels_of(faces.crops[some], spec.input)
    limits = request.limits.over(LIMITS[settings.precision])
    check = Check("the builder's graph with onnx", faces, limits, ADVICE, notes)

    def poses(graph: ModelProto, crops: NDArray[Any]) -> Poses:
        rows = batch(graph) or REFERENCE_BATCH
        return poses_of(session_runner(open_unchanged(path, graph), spec, rows), spec, crops, rows)

    reference = poses(model, faces.crops)
    check.check_reference(reference)
    comparison = check.compare(reference, poses(ready, graph_input(faces.crops, settings)))
    check.require(comparison)
    report_passed([comparison], notes)
    rotation = poses(model, input_of(levels, spec.input)).rotation
    return comparison, GateCrops(levels, rotation, _COMPARED, faces.source, limits.as_dict())
