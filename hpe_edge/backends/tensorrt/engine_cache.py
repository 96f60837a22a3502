"""Engines of ONNX files, built on first use and kept in the user's cache folder.

A folder per version of TensorRT and GPU, a file per model, precision, range of batches and version of hpe_edge. The
build is that of ``hpe-edge export trt``, accuracy gate included; its package is imported for a build only.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpe_edge.backends.options import Precision
from hpe_edge.backends.tensorrt.buckets import DEFAULT_PROFILE
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
from hpe_edge.backends.tensorrt.plan_file import EngineInfo, read_info
from hpe_edge.backends.tensorrt.plan_file import Precision as EnginePrecision
from hpe_edge.backends.tensorrt.runner import TensorRTBackend
from hpe_edge.cuda.device import Device, parse_device
from hpe_edge.errors import BackendError, HpeEdgeError, InputError, OutputError
from hpe_edge.util.cache_folder import cache_folder
from hpe_edge.util.export_package import borrowed_step
from hpe_edge.util.file_lock import locked
from hpe_edge.util.signals import interruptible
from hpe_edge.version import __version__

_BUILDER = ("Builder", "OnnxParser")  # classes that TensorRT's lean and dispatch runtimes lack

# Without any configuration, Python prints warnings of a logger to standard error as they are.
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedEngine:
    """An engine that may be in the cache.

    Attributes:
        path: of the plan; its description lies beside it.
        model: the ONNX file.
        precision: of the build.
        tensorrt: installed version.
        gpu: the device.
    """

    path: Path
    model: Path
    precision: EnginePrecision
    tensorrt: str
    gpu: Device

    def read(self) -> tuple[bytes, EngineInfo] | str:
        """Return the plan and its description, or the reason why there is none that runs here."""
        try:
            plan = self.path.read_bytes()
            info = read_info(self.path)
            info.check_plan(self.path, plan)
            info.check_machine(self.path, self.tensorrt, self.gpu)
        except FileNotFoundError:
            return "it is not there"
        except OSError as error:
            return f"it cannot be read ({error.strerror})"
        except HpeEdgeError as error:
            return str(error)
        return plan, info


def open_cached(model: Path, *, device: str = "cuda", precision: Precision | None = None) -> TensorRTBackend:
    """Load the engine of an ONNX file for a GPU; build it if the cache has none that runs here.

    A build takes minutes, is reported in Python's log, and verifies the angles. Of several processes one builds, the
    others wait for it. One that is interrupted leaves nothing.

    Args:
        model: an ONNX file with its spec.
        device: ``"cuda"`` or ``"cuda:INDEX"``.
        precision: ``"fp32"`` or ``"fp16"``, of an FP32 file; None is the file's own.

    Raises:
        ModelError: the file is not a model with a spec, or TensorRT cannot parse it.
        GateFailed: the built engine's angles differ from the file's; nothing is kept.
        BackendError: TensorRT, its builder, the onnx package or the GPU is missing, or the build failed.
        InputError: the precision is not that of the file.
        OutputError: the cache folder cannot be written to.
        KeyboardInterrupt: the build was stopped. Before TensorRT 10 it goes on in its thread.
    """
    index = parse_device(device)
    engine_precision = _engine_precision(model, precision)
    trt = load_tensorrt()
    gpu = Device(index)
    try:
        engine = CachedEngine(
            _path(model, engine_precision, trt.__version__, gpu), model, engine_precision, trt.__version__, gpu
        )
        found = engine.read()
        if isinstance(found, str):
            found = _make(engine, trt, device)
        plan, info = found
        return TensorRTBackend(engine.path, plan, info, index)
    finally:
        gpu.close()  # the backend holds the context by now


def _make(engine: CachedEngine, trt: Any, device: str) -> tuple[bytes, EngineInfo]:
    """Build the engine, unless another process does so meanwhile.

    Raises: as :func:`open_cached`.
    """
    _check_tools(trt, engine.model)
    try:
        with locked(engine.path, lambda: _log.warning("waiting for the process that builds %s", engine.path)):
            found = engine.read()
            if isinstance(found, str):
                if engine.path.exists():
                    _log.warning("the engine in the cache is built again: %s", found)
                _build(engine, device)
                found = engine.read()
    except OutputError as error:
        raise OutputError(
            f"{error}; or build the engine elsewhere, hpe-edge export trt {engine.model} -o X.engine, and load X.engine"
        ) from None
    if isinstance(found, str):
        raise BackendError(f"the engine that was built is of no use: {found}")
    return found


def _build(engine: CachedEngine, device: str) -> None:
    _log.warning(
        "building a TensorRT %s engine of %s for %s (%s), which takes minutes; it is kept as %s",
        engine.tensorrt,
        engine.model,
        engine.gpu.name,
        engine.precision,
        engine.path,
    )
    start_s = time.monotonic()
    try:
        with interruptible(), borrowed_step("trt") as step:
            built = step.build(
                engine.model, output=engine.path, precision=engine.precision, device=device, report=_report
            )
    except OutputError as error:
        raise OutputError(f"{error}; the folder follows XDG_CACHE_HOME") from None
    latency = "; ".join(str(each) for each in built.latency)
    _log.warning("built in %.0f s; %s; %s", time.monotonic() - start_s, built.gate.line(), latency)


def _report(stage: str, lines: Sequence[str]) -> None:
    level = logging.WARNING if stage == "warnings" else logging.INFO
    for line in lines:
        _log.log(level, "%s: %s", stage, line)


def _engine_precision(model: Path, precision: Precision | None) -> EnginePrecision:
    """Return the precision of the build.

    Raises:
        InputError: the file is of another precision than the one asked for, or TensorRT engines have no such one.
    """
    from hpe_edge.backends.onnx.session import OnnxRuntimeBackend

    if precision == "bf16":
        raise InputError("precision='bf16' is for backend='openvino'; a TensorRT engine is built in 'fp32' or 'fp16'")
    backend = OnnxRuntimeBackend(model, threads=1)  # which checks the file
    held = backend.spec.precision
    backend.close()
    own: EnginePrecision = "int8" if "int8" in held else "fp16" if "fp16" in held else "fp32"
    if precision is None or precision == own:
        return own
    if own != "fp32":
        raise InputError(
            f"precision={precision!r}, but {model} is in {held}: leave precision= out, or name the FP32 file that it "
            "was made from"
        )
    return "fp16"


def _path(model: Path, precision: EnginePrecision, tensorrt: str, gpu: Device) -> Path:
    """Return the path of an engine in the cache.

    Memory counts in GB: the total varies by some MB between drivers.
    """
    machine = f"{tensorrt} {gpu.name} {gpu.capability} {gpu.multiprocessors}SM {round(gpu.memory_mb / 1024)}GB"
    content = hashlib.sha256(model.read_bytes())
    content.update(repr((precision, DEFAULT_PROFILE, __version__)).encode())
    name = f"{_plain(model.stem)[:40]}-{precision}-{content.hexdigest()[:16]}.engine"
    return cache_folder("tensorrt", "engines", _plain(machine), name)


def _plain(text: str) -> str:
    return re.sub("[^A-Za-z0-9._]+", "-", text)


def _check_tools(trt: Any, model: Path) -> None:
    """Check that an engine can be built here.

    Raises:
        BackendError: TensorRT has no builder, or onnx is missing.
    """
    elsewhere = f"or build the engine with hpe-edge export trt {model} where that is, on this kind of GPU, and load it"
    if missing := [name for name in _BUILDER if not hasattr(trt, name)]:
        raise BackendError(
            f"backend='tensorrt' builds an engine of {model}, but the installed TensorRT {trt.__version__} has no "
            f"{' and no '.join(missing)}: install the whole of it (`pip install 'hpe-edge[tensorrt]'`; "
            f"Jetson: python3-libnvinfer), {elsewhere}"
        )
    try:
        importlib.import_module("onnx")
    except (ImportError, OSError) as error:
        raise BackendError(
            f"backend='tensorrt' builds an engine of {model}, which needs onnx, and that cannot be imported here "
            f"({error}): run `pip install 'onnx>=1.15'`, {elsewhere}"
        ) from None
