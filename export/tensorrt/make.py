"""The work of ``python -m export.trt``, step by step; each says what it did on standard output."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto

from export.cli.command import limits_of
from export.cli.output_path import as_typed, check_output
from export.cli.report import say, say_passed, size
from export.gate.crops import gate_faces
from export.gate.gate import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Report, poses_of
from export.graph.onnx_file import open_unchanged, read_onnx, session_runner
from export.steps.verify import prove_backend
from export.tensorrt.build import build_plan
from export.tensorrt.graph_for import check_precision, fixed_batch, graph_for
from export.tensorrt.layer_table import layer_table
from export.tensorrt.settings import Settings, Version
from export.tensorrt.timing_cache import cache_file
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
from hpe_edge.backends.tensorrt.plan_file import SUFFIXES, EngineInfo, digest, sidecar
from hpe_edge.backends.tensorrt.runner import TensorRTBackend
from hpe_edge.cuda.device import Device, parse_device
from hpe_edge.errors import InputError, ModelNotFoundError
from hpe_edge.util.atomic import Pending, output_error
from hpe_edge.version import __version__

_LIMITS = {"fp32": ONNX_LIMITS, "fp16": FP16_LIMITS, "int8": INT8_LIMITS}
_REFERENCE_BATCH = 16


def make_engine(args: argparse.Namespace, settings: Settings) -> None:
    """Do what the command line asks for.

    Raises:
        HpeEdgeError: whatever is wrong with the model, the machine, the faces or the places; nothing was written.
        GateFailed: the angles changed; nothing was written.
        KeyboardInterrupt: stopped; nothing was written.
    """
    trt = load_tensorrt()
    version = Version.of(trt.__version__)
    gpu = Device(parse_device(args.device))  # kept until the process ends, as a stopped build may still use it
    say("machine", f"TensorRT {version.text}, {gpu.name}, compute capability {gpu.capability}")
    with _onnx_file(args) as path:
        spec = OnnxRuntimeBackend(path).spec  # which checks the file
        out = args.output or Path(f"{args.model.stem if path == args.model else spec.architecture}.engine")
        _check_output(out, args)
        model, _ = read_onnx(path)
        check_precision(args.model, model, settings.precision, version)
        profile = version.profile(settings, fixed_batch(model))
        ready = graph_for(model, spec, settings.precision, version, profile)
        pendings = [Pending(out), Pending(sidecar(out))]
        try:
            cache = cache_file(version.text, gpu.name, gpu.capability)
            plan = build_plan(trt, gpu, ready, settings, profile, cache, detailed=args.layers)
            say(
                "engine",
                f"{settings.precision}, {profile[0]} to {profile[2]} faces, tuned for {profile[1]}, {size(len(plan))}",
            )
            info = EngineInfo(
                spec=spec,
                tensorrt=version.text,
                gpu=gpu.name,
                compute_capability=gpu.capability,
                precision=settings.precision,
                profile=profile,
                plan_bytes=len(plan),
                plan_sha256=digest(plan),
                rebuild=_command(args, out),
                version_compatible=settings.version_compatible,
                hardware=settings.hardware,
                dla_core=settings.dla_core,
                tools=_tools(gpu),
            )
            info = replace(info, gate=_prove(args, path, model, plan, info, gpu)[0].result())
            for pending, content in zip(pendings, (plan, info.to_json().encode()), strict=True):
                _write(pending, content)
            replaced = out.exists()
            for pending in reversed(pendings):  # an engine without its description would be refused
                pending.commit()
        finally:
            for pending in pendings:
                pending.discard()
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        say("written", f"{out} and {sidecar(out).name}{', in place of the file that was there' if replaced else ''}")
        say("next", f"hpe-edge run PICTURE --model {as_typed(out)} -o posed.jpg")


@contextlib.contextmanager
def _onnx_file(args: argparse.Namespace) -> Iterator[Path]:
    """The ONNX file to build from: the one named, or a checkpoint's in a temporary folder."""
    if not args.model.is_file():
        raise ModelNotFoundError(f"there is no model {args.model}; name an ONNX file or a checkpoint")
    if args.model.suffix.lower() in SUFFIXES:
        raise InputError(f"{args.model} is an engine already; name the ONNX file that it was built from")
    if args.model.suffix.lower() == ".onnx":
        if args.arch or args.trust:
            raise InputError("--arch and --trust are about a checkpoint; an ONNX file says what it is")
        yield args.model
        return
    from export.checkpoints.network import load_network
    from export.steps.to_onnx import write_proven

    if args.precision == "int8":
        raise InputError(
            f"INT8 needs calibration: python -m export.onnx {args.model} -o model.onnx, python -m export.int8 "
            "model.onnx, and then this command with what that writes"
        )
    network = load_network([args.model], [args.arch] if args.arch else [], trust=args.trust)
    with tempfile.TemporaryDirectory(prefix="hpe_edge-") as folder:
        pending = Pending(Path(folder) / "model.onnx")
        _, reports = write_proven(network, None, args.faces, args.boxes, ONNX_LIMITS, pending)
        say_passed(reports)
        pending.commit()
        yield pending.path


def _check_output(out: Path, args: argparse.Namespace) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"-o must name a file that ends in {' or '.join(SUFFIXES)}, got {out}")
    for written in (out, sidecar(out)):
        check_output(written, [("MODEL", args.model), ("--faces", args.faces), ("--boxes", args.boxes)])


def _prove(
    args: argparse.Namespace, path: Path, model: ModelProto, plan: bytes, info: EngineInfo, gpu: Device
) -> list[Report]:
    """Hold the engine against ONNX Runtime on faces, and say what was found; the layers, too, if they are asked for."""
    spec = info.spec
    faces = gate_faces(spec.crop, spec.input, args.faces, args.boxes)
    say("faces", faces.source, *faces.notes)
    session = open_unchanged(path, model)
    batch = fixed_batch(model) or _REFERENCE_BATCH
    reference = poses_of(session_runner(session, spec, batch), spec, faces.crops, batch)
    backend = TensorRTBackend(path, plan, info, gpu.index)
    try:
        if args.layers:
            say("layers", *layer_table(backend.loaded.trt, backend.loaded.engine))
        limits = limits_of(args, _LIMITS[info.precision])
        reports = prove_backend(reference, "engine with onnx", backend, spec, faces, limits)
    finally:
        backend.close()
    say_passed(reports)
    return reports


def _write(pending: Pending, content: bytes) -> None:
    try:
        pending.temp.write_bytes(content)
    except OSError as error:
        raise output_error(pending.path, error) from None


def _command(args: argparse.Namespace, out: Path) -> str:
    """The command line that does this again, with the output named."""
    given = list(args.given)
    if args.output is None:
        given += ["-o", str(out)]
    return shlex.join(["python", "-m", "export.trt", *given])


def _tools(gpu: Device) -> dict[str, str]:
    return {
        "hpe_edge": __version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "cuda of the driver": gpu.driver_version(),
    }
