"""Making of an engine and its description: the ONNX file, the build, the accuracy gate, the finished files."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto

from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Comparison, Limits
from export.gate.crops import gate_faces
from export.gate.gate import backend_runner, poses_of
from export.gate.verify import Check, report_passed, verify_backend
from export.graph.onnx_file import open_unchanged, read_onnx, session_runner
from export.graph.trace import batch
from export.inspection.engine_layers import compare_engine_layers
from export.inspection.latency import measure_latency
from export.step import ExportReport, Latency, Notes, byte_size, check_output, commit, write_bytes
from export.tensorrt.build import Built, build_plan
from export.tensorrt.layer_table import dla_layers, layer_table
from export.tensorrt.prepare_graph import check_precision, engine_spec, prepare_graph
from export.tensorrt.settings import Settings, Version
from export.tensorrt.timing_cache import cache_file
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.backends.tensorrt.buckets import buckets
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
from hpe_edge.backends.tensorrt.plan import Loaded
from hpe_edge.backends.tensorrt.plan_file import PLAN_SUFFIXES, SUFFIXES, EngineInfo, digest, sidecar
from hpe_edge.backends.tensorrt.runner import TensorRTBackend
from hpe_edge.cuda.device import Device, parse_device
from hpe_edge.errors import BackendError, InputError, ModelNotFoundError
from hpe_edge.spec import ModelSpec
from hpe_edge.util.atomic import Pending, pending_files
from hpe_edge.version import __version__

LIMITS = {"fp32": ONNX_LIMITS, "fp16": FP16_LIMITS, "int8": INT8_LIMITS}
REFERENCE_BATCH = 16
ADVICE = (
    "try a higher precision: FP16 in place of INT8, FP32 in place of FP16; hpe-edge export int8 without --no-auto "
    "keeps the most sensitive layers out of INT8; --mean-deg, --p99-deg, --p999-deg and --worst-deg set other limits"
)


@dataclass(frozen=True)
class Request:
    """Files, device and gate of a build; see :func:`export.trt.build`. ``model`` is None for the embedded one."""

    model: Path | None
    output: Path | None
    device: str
    layers: bool
    arch: str | None
    trust: bool
    images: Path | None
    boxes: Path | None
    limits: Limits
    compare_layers: bool = False
    layer_tolerance: float | None = None


def make_engine(source: Path, request: Request, settings: Settings, notes: Notes) -> ExportReport:
    """Build and verify an engine of an ONNX file or checkpoint. See :func:`export.trt.build`."""
    trt = load_tensorrt()
    version = Version.of(trt.__version__)
    gpu = Device(parse_device(request.device))  # never closed, as a stopped build may still use it
    notes("machine", [f"TensorRT {version.text}, {gpu.name}, compute capability {gpu.capability}"])
    with onnx_file(source, request, settings, notes) as path:
        spec = OnnxRuntimeBackend(path).spec  # which checks the file
        out = request.output or Path(f"{source.stem if path == source else spec.architecture}.engine")
        for file, suffixes in ((out, PLAN_SUFFIXES["tensorrt"]), (sidecar(out), (".json",))):
            check_output(
                file, suffixes, [("the model", source), ("--images", request.images), ("--boxes", request.boxes)]
            )
        model, _ = read_onnx(path)
        check_precision(source, model, settings.precision, version)
        profile = version.profile(settings, batch(model))
        ready = prepare_graph(model, spec, settings, version, profile, notes)
        pendings = pending_files([out, sidecar(out)])
        try:
            cache = cache_file(version.text, gpu.name, gpu.capability)
            detailed = request.layers or settings.dla_core is not None
            built = build_plan(trt, gpu, ready, settings, profile, cache, detailed=detailed, report=notes)
            plan = built.plan
            batches = ", ".join(map(str, buckets(profile)))
            notes("engine", [f"{settings.precision}, batches of {batches}, {byte_size(len(plan))}"])
            info = EngineInfo(
                spec=engine_spec(spec, settings),
                tensorrt=version.text,
                gpu=gpu.name,
                compute_capability=gpu.capability,
                precision=settings.precision,
                profile=profile,
                plan_bytes=len(plan),
                plan_sha256=digest(plan),
                rebuild=rebuild_command(request, settings, out),
                version_compatible=settings.version_compatible,
                hardware=settings.hardware,
                dla_core=settings.dla_core,
                multiprocessors=gpu.multiprocessors,
                memory_mb=gpu.memory_mb,
                tools=_tools(gpu),
                input_format=settings.input_format,
            )
            comparison, latency = _verify(request, settings, path, model, spec, built, info, gpu, notes)
            info = replace(info, gate=comparison.result())
            for pending, content in zip(pendings, (plan, info.to_json().encode()), strict=True):
                write_bytes(pending, content)
            return replace(commit(out, pendings, spec, comparison, notes), latency=latency)
        finally:
            for pending in pendings:
                pending.discard()


@contextlib.contextmanager
def onnx_file(source: Path, request: Request, settings: Settings, notes: Notes) -> Iterator[Path]:
    """The ONNX file to build from: the given one, or a checkpoint's in a temporary folder."""
    if not source.is_file():
        raise ModelNotFoundError(f"there is no model {source}; name an ONNX file or a checkpoint")
    if source.suffix.lower() in SUFFIXES:
        raise InputError(f"{source} is an engine already; name the ONNX file that it was built from")
    if source.suffix.lower() == ".onnx":
        if request.arch or request.trust:
            raise InputError("--arch and --trust apply to a checkpoint; an ONNX file holds its architecture")
        yield source
        return
    from export.checkpoints.network import load_network
    from export.graph.write_onnx import write_verified

    if settings.precision == "int8":
        raise InputError(
            f"INT8 needs calibration: run hpe-edge export onnx {source} -o model.onnx, hpe-edge export int8 "
            "model.onnx, and then this command with the INT8 file"
        )
    network = load_network([source], [request.arch] if request.arch else [], trust=request.trust, report=notes)
    with tempfile.TemporaryDirectory(prefix="hpe_edge-") as folder:
        pending = Pending(Path(folder) / "model.onnx")
        _, comparisons = write_verified(
            network, pending, batch=None, images=request.images, boxes=request.boxes, limits=ONNX_LIMITS, report=notes
        )
        report_passed(comparisons, notes)
        pending.commit()
        yield pending.path


def _verify(
    request: Request,
    settings: Settings,
    path: Path,
    model: ModelProto,
    spec: ModelSpec,
    built: Built,
    info: EngineInfo,
    gpu: Device,
    notes: Notes,
) -> tuple[Comparison, tuple[Latency, ...]]:
    """Compare the engine with ONNX Runtime on faces and time it; report the figures and, on request, the layers."""
    faces = gate_faces(spec.crop, spec.input, request.images, request.boxes)
    notes("faces", [faces.source, *faces.notes])
    rows = batch(model) or REFERENCE_BATCH
    session = open_unchanged(path, model)
    reference = poses_of(session_runner(session, spec, rows), spec, faces.crops, rows)
    backend = TensorRTBackend(path, built.plan, info, gpu.index)
    try:
        if info.dla_core is not None:
            notes("dla", _on_dla(built, backend.loaded, info.dla_core))
        if request.layers:
            notes("layers", layer_table(backend.loaded.trt, backend.loaded.engine))
        if request.compare_layers:  # before the gate, whose failure it explains
            trt, cache = backend.loaded.trt, cache_file(info.tensorrt, gpu.name, gpu.capability)
            tolerance = request.layer_tolerance
            planes = replace(settings, input_format="linear")  # which the comparison writes
            compare_engine_layers(trt, gpu, path, model, spec, planes, cache, faces.crops, tolerance, notes)
        check = Check("engine with onnx", faces, request.limits.over(LIMITS[info.precision]), ADVICE, notes)
        comparisons = verify_backend(reference, backend, spec, check)
        run = backend_runner(backend)
        for size in backend.loaded.buckets[:-1]:  # each may have kernels of its own; the largest is verified above
            poses = poses_of(run, spec, faces.crops, size)
            check.require(check.compare(reference, poses, f", in batches of {size}"))
        report_passed(comparisons, notes)
        return comparisons[0], measure_latency(backend, notes)
    finally:
        backend.close()


def _on_dla(built: Built, loaded: Loaded, core: int) -> list[str]:
    """The layers on the DLA; TensorRT itself only warns if there are none.

    Raises:
        BackendError: there are none.
    """
    found = built.dla_layers or dla_layers(loaded.trt, loaded.engine)
    if not found:
        raise BackendError(
            f"no layer runs on DLA core {core}, the GPU would run them all; leave --dla out to build for the GPU"
        )
    return [f"core {core}: {layer}" for layer in found]


def rebuild_command(request: Request, settings: Settings, out: Path, *options_first: str) -> str:
    """The command that builds the engine again."""
    profile = settings.profile
    options: dict[str, object] = {
        "--batch": None if profile is None else ",".join(map(str, profile)),
        "--device": None if request.device == "cuda" else request.device,
        "--layers": request.layers,
        "--workspace": settings.workspace_mb,
        "--level": settings.level,
        "--version-compatible": settings.version_compatible,
        "--hardware": None if settings.hardware == "same-gpu" else settings.hardware,
        "--dla": settings.dla_core,
        "--input-format": None if settings.input_format == "linear" else settings.input_format,
        "--arch": request.arch,
        "--trust": request.trust,
        "--images": request.images,
        "--boxes": request.boxes,
        "--mean-deg": request.limits.mean_deg,
        "--p99-deg": request.limits.p99_deg,
        "--p999-deg": request.limits.p999_deg,
        "--worst-deg": request.limits.worst_deg,
        "-o": out,
    }
    words = ["hpe-edge", "export", "trt", *options_first]
    words += [str(request.model)] if request.model is not None else []
    words += [] if settings.precision == "fp32" else [f"--{settings.precision}"]
    for option, value in options.items():
        if value is not None and value is not False:
            words += [option] if value is True else [option, str(value)]
    return shlex.join(words)


def _tools(gpu: Device) -> dict[str, str]:
    return {
        "hpe_edge": __version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "cuda of the driver": gpu.driver_version(),
    }
