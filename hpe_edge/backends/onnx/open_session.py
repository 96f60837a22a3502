"""ONNX Runtime sessions: provider options, loading of NVIDIA's libraries, no silent fallback."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime

from hpe_edge.backends.onnx.ir_version import lowered
from hpe_edge.backends.onnx.sound_file import check_file
from hpe_edge.backends.options import check_threads
from hpe_edge.cuda.device import parse_device as parse_gpu
from hpe_edge.cuda.version_table import numbers, onnx_runtime_needs
from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.spec import Precision
from hpe_edge.util.atomic import output_error
from hpe_edge.util.cache_folder import cache_folder
from hpe_edge.util.forks import keep_in_children

# Versions before these refuse the option; found in the libraries of onnxruntime-gpu 1.16 to 1.18.
_TF32_KNOWN_FROM = (1, 18)
_TIMINGS_KNOWN_FROM = (1, 17)


@dataclass(frozen=True)
class Provider:
    """Execution provider of the whole network.

    Attributes:
        name: in ONNX Runtime.
        where: the device, for messages.
        options: see ONNX Runtime's page on the provider; all values are text.
        whole: refuse a graph with nodes that the provider does not support; ONNX Runtime would run them on the CPU.
        hint: advice for the case that it does not start.
    """

    name: str = "CPUExecutionProvider"
    where: str = "cpu"
    options: dict[str, str] = field(default_factory=dict)
    whole: bool = False
    hint: str = ""


CPU = Provider()
# Session -> process and recipe.
_origins: weakref.WeakKeyDictionary[onnxruntime.InferenceSession, tuple[int, Callable[[], Any]]] = (
    weakref.WeakKeyDictionary()
)


def parse_device(device: str) -> int | None:
    """Parse a device; return the GPU's index in ``"cuda"`` or ``"cuda:INDEX"``, None for ``"cpu"``.

    Raises:
        InputError: another value.
    """
    if device == "cpu":
        return None
    try:
        return parse_gpu(device)
    except InputError:
        raise InputError(f"device must be 'cpu', 'cuda' or 'cuda:INDEX', got {device!r}") from None


def cuda(index: int) -> Provider:
    """CUDA provider: ONNX Runtime's own kernels, cuBLAS and cuDNN.

    Raises:
        BackendError: the installed ONNX Runtime was built without them.
    """
    _check_built_in("CUDAExecutionProvider", f"device='cuda:{index}'", "use device='cpu'")
    # The default, EXHAUSTIVE, times every algorithm of each convolution when a batch size first occurs, which takes
    # seconds. HEURISTIC asks cuDNN which is fastest.
    options = {"device_id": str(index), "cudnn_conv_algo_search": "HEURISTIC"}
    if _version() >= _TF32_KNOWN_FROM:
        # Otherwise GPUs from Ampere on silently round float32 to 10 bits of mantissa.
        options["use_tf32"] = "0"
    return Provider("CUDAExecutionProvider", f"cuda:{index}", options)


def tensorrt(
    index: int,
    path: Path,
    precision: Precision,
    input_name: str,
    face: tuple[int, ...],
    batches: tuple[int, int, int] | None,
) -> Provider:
    """TensorRT provider, which builds an engine from the graph.

    The build takes minutes. The engine is cached in the user's cache folder, by the file's SHA-256 and the version of
    ONNX Runtime: the name of the cached engine is the same for two checkpoints of one architecture.

    Args:
        index: of the GPU.
        path: the ONNX file.
        precision: of the spec.
        input_name: of the graph.
        face: input shape without the batch axis.
        batches: smallest, optimal and largest batch; None if the graph fixes the batch.

    Raises:
        BackendError: the installed ONNX Runtime was built without it.
        OutputError: the cache folder cannot be made.
    """
    asked = "backend='onnxruntime-tensorrt'"
    _check_built_in("TensorrtExecutionProvider", asked, "use device='cuda' without backend=")
    model = path.read_bytes()
    name = f"{hashlib.sha256(model).hexdigest()[:16]}-{onnxruntime.__version__}"
    cache = cache_folder("onnxruntime-tensorrt", name)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(cache, error) from None
    options = {
        "device_id": str(index),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(cache),
        # Enabled only for graphs with such layers, for which TensorRT requires it: elsewhere it would change angles.
        # TensorRT may then use the precision in other layers as well.
        "trt_fp16_enable": str("fp16" in precision),
        "trt_int8_enable": str("int8" in precision),
    }
    if _version() >= _TIMINGS_KNOWN_FROM:  # without a path they are written to the current folder
        options |= {"trt_timing_cache_enable": "True", "trt_timing_cache_path": str(cache)}
    if batches is not None:  # without a range, each new number of faces would build another engine
        for which, count in zip(("min", "opt", "max"), batches, strict=True):
            options[f"trt_profile_{which}_shapes"] = f"{input_name}:{'x'.join(map(str, (count, *face)))}"
    needs = onnx_runtime_needs(onnxruntime.__version__)
    fitting = (
        f"; PyPI's onnxruntime-gpu of this version needs `pip install '{needs.tensorrt_package}'`" if needs else ""
    )
    hint = f"{fitting}; if TensorRT or the GPU has changed since the engine was built, delete {cache}"
    return Provider("TensorrtExecutionProvider", f"cuda:{index}", options, whole=True, hint=hint)


def _check_built_in(provider: str, asked: str, otherwise: str) -> None:
    there = onnxruntime.get_available_providers()
    if provider not in there:
        what = "CUDA" if provider.startswith("CUDA") else "TensorRT"
        raise BackendError(
            f"{asked} needs an onnxruntime with {what}, the installed one ({onnxruntime.__version__}) has "
            f"{', '.join(there)}: run `pip uninstall onnxruntime` and `pip install onnxruntime-gpu`, in the version "
            f"that `hpe-edge doctor` names (Jetson: NVIDIA's wheel for your JetPack), or {otherwise}"
        )


def _version() -> tuple[int, ...]:
    return numbers(onnxruntime.__version__)[:2]


def preload(onnxruntime: Any, *, tensorrt: bool) -> str:
    """Load CUDA, cuDNN and, where requested, TensorRT from pip's packages, if they are installed there.

    The dynamic loader does not search Python's packages. System libraries are found without this.

    Args:
        onnxruntime: the module.
        tensorrt: load TensorRT as well.

    Returns:
        ONNX Runtime's report of what could not be loaded; empty on success. Not an error yet: a library may lie where
        only the provider finds it.
    """
    printed = io.StringIO()
    if hasattr(onnxruntime, "preload_dlls"):  # from 1.21 on
        with contextlib.redirect_stdout(printed):  # it reports failures there
            onnxruntime.preload_dlls()
    if tensorrt and "tensorrt" not in sys.modules:  # an imported tensorrt has loaded its own
        with contextlib.suppress(ImportError, OSError):
            __import__("tensorrt_libs")  # loads its libraries when it is imported
    return printed.getvalue().strip()


def open_session(
    path: Path, threads: int | None = None, graph: bytes | None = None, *, provider: Provider = CPU
) -> onnxruntime.InferenceSession:
    """Open a session that runs on the given provider, or raise.

    Args:
        path: the ONNX file.
        threads: threads that one run may use; None leaves it to ONNX Runtime (all cores).
        graph: the file's content, edited; None reads the file.
        provider: to run on.

    Raises:
        InputError: the name or ``threads`` cannot be used.
        ModelError: not an ONNX file, truncated, or one that :func:`hpe_edge.backends.onnx.sound_file.check_file`
            refuses.
        BackendError: the provider does not start, or cannot run all of the graph.
    """
    check_threads(threads)
    try:
        name = str(path)
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"ONNX Runtime opens only names in UTF-8; rename {path!r}") from None
    if graph is None:
        try:
            path.open("rb").close()
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    check_file(path, graph)
    if graph is None:
        graph = lowered(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # warnings and errors go to standard error; errors are raised anyway
    if threads is not None:
        options.intra_op_num_threads = threads
    if provider.whole:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    preloaded = "" if provider is CPU else preload(onnxruntime, tensorrt=provider.name.startswith("Tensorrt"))
    try:
        # Without enable_fallback=0 a device that does not start is replaced by the CPU, with a print and no error.
        session = onnxruntime.InferenceSession(
            graph or name, options, providers=[(provider.name, provider.options)], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's errors share no base class
        if provider is CPU:
            raise ModelError(
                f"{path} cannot be loaded as an ONNX model; it may be truncated or of another kind ({error})"
            ) from None
        open_session(path, threads, graph)  # reports a damaged file as such
        raise _not_started(
            provider, f"{path} does not start on {provider.where} ({short_error(error)})", preloaded
        ) from None
    if provider.name not in session.get_providers():
        instead = ", ".join(session.get_providers())
        raise _not_started(provider, f"{provider.name} did not start, ONNX Runtime offers {instead} instead", preloaded)
    keep_in_children(session)
    _origins[session] = os.getpid(), partial(open_session, path, threads, graph, provider=provider)
    return session


def reopening(session: onnxruntime.InferenceSession) -> Callable[[], onnxruntime.InferenceSession] | None:
    """Return a function that opens the session of :func:`open_session` anew; None for a session from elsewhere."""
    origin = _origins.get(session)
    return None if origin is None else origin[1]


def usable_here(session: onnxruntime.InferenceSession) -> onnxruntime.InferenceSession:
    """Return the session, opened anew if this process was forked from the one that opened it.

    Raises:
        HpeEdgeError: see :func:`open_session`.
    """
    origin = _origins.get(session)
    return session if origin is None or origin[0] == os.getpid() else origin[1]()


def _not_started(provider: Provider, what: str, preloaded: str) -> BackendError:
    details = f" ({' '.join(preloaded.split())})" if preloaded else ""
    return BackendError(
        f"{what}{details}: `hpe-edge doctor` shows what is missing of driver, CUDA, cuDNN and TensorRT; or use "
        f"device='cpu'{provider.hint}"
    )


def short_error(error: Exception) -> str:
    """Return the error in one line, without a leading source location and signature."""
    return re.sub(r"^/\S+:\d+ .*?\) ", "", " ".join(str(error).split()))
