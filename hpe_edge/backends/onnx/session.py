"""ONNX Runtime: any ONNX file with a spec, on the CPU, or on a GPU where the installed package offers it."""

from __future__ import annotations

import contextlib
import re
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime

from hpe_edge.backends.base import check_threads
from hpe_edge.backends.onnx.check_graph import DYNAMIC_MAX_BATCH, GraphTensor, check_graph, read_spec
from hpe_edge.backends.onnx.context import OnnxRuntimeContext
from hpe_edge.backends.onnx.merge_groups import merged_groups
from hpe_edge.backends.onnx.preload_nvidia import preload
from hpe_edge.backends.onnx.providers import CPU, Provider, cuda, parse_device, tensorrt
from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.ops.crop import isa_names
from hpe_edge.spec import METADATA_KEY, ModelSpec

if TYPE_CHECKING:
    from hpe_edge.cuda.device import Device

_TUNED_BATCH = 4  # of a range, what TensorRT is told to expect
_DTYPES = {"tensor(float)": "float32"}  # the others have NumPy's names in the brackets


class OnnxRuntimeBackend:
    """An ONNX file in an ONNX Runtime session. Implements :class:`hpe_edge.backends.base.Backend`."""

    def __init__(
        self, path: Path, *, device: str = "cpu", threads: int | None = None, through_tensorrt: bool = False
    ) -> None:
        """Load a model.

        Args:
            path: the ONNX file, with its spec in the metadata.
            device: ``"cpu"``, ``"cuda"`` or ``"cuda:INDEX"``.
            threads: threads that one run may use; None leaves it to ONNX Runtime (all cores).
            through_tensorrt: on a GPU, let TensorRT run the graph.

        Raises:
            ModelError: not an ONNX file, truncated, without a spec, or the spec does not fit the graph.
            BackendError: the device is not to be had with the installed onnxruntime.
            InputError: TensorRT is asked for on the CPU.
            OutputError: the folder for TensorRT's engines cannot be made.
        """
        index = parse_device(device)
        provider = CPU
        if through_tensorrt:
            if index is None:
                raise InputError(f"TensorRT runs on a GPU: device must be 'cuda' or 'cuda:INDEX', got {device!r}")
            provider = _tensorrt_for(path, index, threads)
        elif index is not None:
            provider = cuda(index)
        self.device = device
        self.runtime = "TensorRT in ONNX Runtime" if through_tensorrt else "ONNX Runtime"
        self.session = open_session(path, threads, provider=provider)
        if provider is CPU and isa_names()[0] == "avx512" and (faster := merged_groups(path.read_bytes())) is not None:
            self.session = open_session(path, threads, faster)
        self.spec, fixed, self._columns = _examined(self.session, path)
        self.fixed_batch = fixed is not None
        self.max_batch = fixed or DYNAMIC_MAX_BATCH
        self._memory = None if index is None else ("cuda", index)
        self.gpu = None if index is None else _gpu(index)
        self._cleanup = contextlib.ExitStack()
        self._finish = weakref.finalize(self, _free, self.gpu, self._cleanup)

    def context(self) -> OnnxRuntimeContext:
        """A fresh set of buffers for one caller at a time."""
        with self.gpu or contextlib.nullcontext():
            return OnnxRuntimeContext(
                self.session,
                self.spec,
                self._columns,
                self.max_batch,
                self.fixed_batch,
                self._memory,
                self.gpu,
                self._cleanup,
            )

    def close(self) -> None:
        """Free the session and the buffers of its contexts."""
        del self.session
        self._finish()


def _tensorrt_for(path: Path, index: int, threads: int | None) -> Provider:
    """TensorRT is told shapes before the graph is loaded on it, so the CPU reads them first."""
    spec, fixed_batch, _ = _examined(open_session(path, threads), path)
    batches = (1, _TUNED_BATCH, DYNAMIC_MAX_BATCH) if fixed_batch is None else None
    return tensorrt(index, path, spec.input.name, (3, spec.input.size, spec.input.size), batches)


def _examined(
    session: onnxruntime.InferenceSession, path: Path
) -> tuple[ModelSpec, int | None, dict[str, tuple[int, ...]]]:
    """The spec, then what :func:`hpe_edge.backends.onnx.check_graph.check_graph` returns."""
    spec = read_spec(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), path)
    inputs, outputs = ([_tensor(each) for each in ends] for ends in (session.get_inputs(), session.get_outputs()))
    return spec, *check_graph(inputs, outputs, spec, path)


def _tensor(end: onnxruntime.NodeArg) -> GraphTensor:
    dtype = _DTYPES.get(end.type, end.type.removeprefix("tensor(").removesuffix(")"))
    return GraphTensor(end.name, dtype, tuple("N" if d is None else d for d in end.shape))


def _gpu(index: int) -> Device | None:
    """The GPU beside the session that is on it by now; None where cuda-bindings is missing or does not suit the driver.

    Without it buffers are plain memory, which takes longer to copy, and frames that lie on the GPU are fetched.
    """
    from hpe_edge.cuda.device import Device

    try:
        return Device(index)
    except BackendError:
        return None


def _free(gpu: Device | None, cleanup: contextlib.ExitStack) -> None:
    if gpu is None:
        return
    with contextlib.suppress(BackendError), gpu:  # where the CUDA context is gone already, all in it is
        cleanup.close()
    gpu.close()


def open_session(
    path: Path, threads: int | None = None, graph: bytes | None = None, *, provider: Provider = CPU
) -> onnxruntime.InferenceSession:
    """A session that runs where it was asked to, or an error.

    Args:
        path: the ONNX file.
        threads: threads that one run may use; None leaves it to ONNX Runtime (all cores).
        graph: the file's content, edited; None reads the file.
        provider: what it runs on.

    Raises:
        InputError: the name or ``threads`` cannot be used.
        ModelError: not an ONNX file, or truncated.
        BackendError: the provider does not start, or cannot run all of the graph.
    """
    check_threads(threads)
    try:
        name = str(path)
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"ONNX Runtime opens only names in UTF-8; rename {path!r}") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings go to standard error unasked; errors are raised anyway
    if threads is not None:
        options.intra_op_num_threads = threads
    if provider.whole:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    complaint = "" if provider is CPU else preload(onnxruntime, tensorrt=provider.name.startswith("Tensorrt"))
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
        open_session(path, threads, graph)  # a damaged file is said as such
        raise _not_started(provider, f"{path} does not start on {provider.where} ({_said(error)})", complaint) from None
    if provider.name not in session.get_providers():
        instead = ", ".join(session.get_providers())
        raise _not_started(provider, f"{provider.name} did not start, ONNX Runtime offers {instead} instead", complaint)
    return session


def _not_started(provider: Provider, what: str, complaint: str) -> BackendError:
    said = f" ({' '.join(complaint.split())})" if complaint else ""
    return BackendError(
        f"{what}{said}: `hpe-edge doctor` says what is missing of driver, CUDA, cuDNN and TensorRT; or use "
        f"device='cpu'{provider.hint}"
    )


def _said(error: Exception) -> str:
    """The error in a line, without the place in ONNX Runtime's source and the signature that may stand before it."""
    return re.sub(r"^/\S+:\d+ .*?\) ", "", " ".join(str(error).split()))
