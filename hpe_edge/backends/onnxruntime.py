"""ONNX Runtime: any ONNX file with a spec, on the CPU, or on a GPU where the installed package offers it."""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hpe_edge.backends.nvidia_libraries import preload
from hpe_edge.backends.onnx_graph import check_graph, read_spec
from hpe_edge.backends.onnx_providers import CPU, Provider, cuda, parse_device, tensorrt
from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.spec import ModelSpec

_DYNAMIC_MAX_BATCH = 8  # bounds the buffers; larger calls are split
_TUNED_BATCH = 4  # of a range, what TensorRT is told to expect

Allocate = Callable[[tuple[int, ...], Any], NDArray[Any]]


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
        self.session = open_session(path, threads, provider=provider)
        self.spec = read_spec(self.session, path)
        fixed, self._columns = check_graph(self.session, self.spec, path)
        self.fixed_batch = fixed is not None
        self.max_batch = fixed or _DYNAMIC_MAX_BATCH
        self._memory = None if index is None else ("cuda", index)
        cleanup = contextlib.ExitStack()
        self._allocate: Allocate = np.zeros if index is None else _pinned(index, cleanup)
        self._finish = weakref.finalize(self, cleanup.close)

    def context(self) -> OnnxRuntimeContext:
        """A fresh set of buffers for one caller at a time."""
        return OnnxRuntimeContext(
            self.session, self.spec, self._columns, self.max_batch, self.fixed_batch, self._memory, self._allocate
        )

    def close(self) -> None:
        """Free the session and the buffers of its contexts."""
        del self.session
        self._finish()


def _tensorrt_for(path: Path, index: int, threads: int | None) -> Provider:
    """TensorRT is told shapes before the graph is loaded on it, so the CPU reads them first."""
    look = open_session(path, threads)
    spec = read_spec(look, path)
    fixed_batch, _ = check_graph(look, spec, path)
    batches = (1, _TUNED_BATCH, _DYNAMIC_MAX_BATCH) if fixed_batch is None else None
    return tensorrt(index, path, spec.input.name, (3, spec.input.size, spec.input.size), batches)


def _pinned(index: int, cleanup: contextlib.ExitStack) -> Allocate:
    """What makes arrays in page-locked memory, from which a GPU copies directly.

    Plain ones where cuda-bindings is missing or does not suit the driver: the session is on the GPU by now, and only
    the copies take longer.
    """
    from hpe_edge.backends.cuda import Device

    try:
        gpu = Device(index)
    except BackendError:
        return np.zeros

    def allocate(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        with gpu:
            return gpu.pinned(shape, dtype, memory)

    memory = contextlib.ExitStack()

    def free() -> None:
        with gpu:
            memory.close()
        gpu.close()

    cleanup.callback(free)
    return allocate


class OnnxRuntimeContext:
    """Buffers bound to the session once per batch size; a run then copies and allocates nothing on our side."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        spec: ModelSpec,
        columns: dict[str, tuple[int, ...]],
        max_batch: int,
        fixed: bool,
        memory: tuple[str, int] | None,
        allocate: Allocate = np.zeros,
    ) -> None:
        """
        Args:
            session, spec: the model.
            columns: each output's shape after the batch.
            max_batch: rows of the buffers.
            fixed: the graph takes exactly ``max_batch`` rows.
            memory: device and index where the session wants its input; None for the host's memory.
            allocate: makes the host's buffers, zeroed.
        """
        self._session = session
        self._spec = spec
        self._fixed_batch = max_batch if fixed else None
        size = spec.input.size
        self._input = allocate((max_batch, 3, size, size), spec.input.dtype)
        # ONNX Runtime copies these few kilobytes here at the end of a run; left on a GPU they would cost another call.
        self._outputs = [allocate((max_batch, *columns[name]), np.float32) for name in spec.outputs]
        self._memory = memory
        self._filled = 0
        self._bindings: dict[int, tuple[Any, onnxruntime.OrtValue | None]] = {}
        self._views: dict[int, tuple[NDArray[Any], list[NDArray[np.float32]]]] = {}

    def input(self, count: int) -> NDArray[Any]:
        """See :class:`hpe_edge.backends.base.Context`."""
        return self._view(count)[0]

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """See :class:`hpe_edge.backends.base.Context`."""
        batch = self._fixed_batch or count
        bound = self._bindings.get(batch)
        if bound is None:
            bound = self._bindings[batch] = self._bind(batch)
        binding, staged = bound
        if count < self._filled:
            # A fixed batch runs on these rows too, and a graph that looks at the whole batch would let the faces of an
            # earlier call into this one.
            self._input[count : self._filled] = 0
        self._filled = count
        try:
            if staged is not None:
                staged.update_inplace(self._input[:batch])
            self._session.run_with_iobinding(binding)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise BackendError(f"ONNX Runtime failed on a batch of {batch}: {error}") from None
        return self._view(count)[1]

    def _view(self, count: int) -> tuple[NDArray[Any], list[NDArray[np.float32]]]:
        views = self._views.get(count)
        if views is None:
            views = self._views[count] = (self._input[:count], [array[:count] for array in self._outputs])
        return views

    def _bind(self, batch: int) -> tuple[Any, onnxruntime.OrtValue | None]:
        """The binding for a batch size, and the input's copy on the device, if it has one."""
        binding = self._session.io_binding()
        rows, staged = self._input[:batch], None
        if self._memory is None:
            _bind(binding.bind_input, self._spec.input.name, rows)
        else:
            # Host memory bound as input would be copied to the device now and never again.
            staged = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(rows.shape), rows.dtype.type, *self._memory)
            binding.bind_ortvalue_input(self._spec.input.name, staged)
        for name, array in zip(self._spec.outputs, self._outputs, strict=True):
            _bind(binding.bind_output, name, array[:batch])
        return binding, staged


def _bind(bind: Any, name: str, array: NDArray[Any]) -> None:
    bind(
        name=name,
        device_type="cpu",
        device_id=0,
        element_type=array.dtype.type,
        shape=array.shape,
        buffer_ptr=array.ctypes.data,
    )


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
    if threads is not None and (type(threads) is not int or threads < 1):
        raise InputError(f"threads must be a whole number from 1 on, got {threads!r}")
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
