"""ONNX Runtime: any ONNX file with a spec, on the CPU, or on a GPU where the installed package offers it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Some builds of ONNX Runtime report usage to their maker unless told otherwise before they are imported. What the user
# has set stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.ops import head_columns
from hpe_edge.spec import METADATA_KEY, ModelSpec

_ELEMENT = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
_DYNAMIC_MAX_BATCH = 8  # bounds the buffers; larger calls are split


class OnnxRuntimeBackend:
    """An ONNX file in an ONNX Runtime session. Implements :class:`hpe_edge.backends.base.Backend`."""

    def __init__(self, path: Path, *, device: str = "cpu", threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: the ONNX file, with its spec in the metadata.
            device: ``"cpu"``, ``"cuda"`` or ``"cuda:INDEX"``.
            threads: threads that one run may use; None leaves it to ONNX Runtime (all cores).

        Raises:
            ModelError: not an ONNX file, truncated, without a spec, or the spec does not fit the graph.
            BackendError: the device is not to be had with the installed onnxruntime.
        """
        kind, index = _parse_device(device)
        self.device = device
        self._memory = None if kind == "cpu" else (kind, index)
        self.session = open_session(path, kind, index, threads)
        self.spec = _read_spec(self.session, path)
        fixed, self._columns = _check_graph(self.session, self.spec, path)
        self.fixed_batch = fixed is not None
        self.max_batch = fixed or _DYNAMIC_MAX_BATCH

    def context(self) -> OnnxRuntimeContext:
        """A fresh set of buffers for one caller at a time."""
        return OnnxRuntimeContext(
            self.session, self.spec, self._columns, self.max_batch, self.fixed_batch, self._memory
        )

    def close(self) -> None:
        """Free the session."""
        del self.session


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
    ) -> None:
        """
        Args:
            session, spec: the model.
            columns: each output's shape after the batch.
            max_batch: rows of the buffers.
            fixed: the graph takes exactly ``max_batch`` rows.
            memory: device and index where the session wants its input; None for the host's memory.
        """
        self._session = session
        self._spec = spec
        self._fixed_batch = max_batch if fixed else None
        size = spec.input.size
        self._input = np.zeros((max_batch, 3, size, size), spec.input.dtype)
        self._outputs = [np.zeros((max_batch, *columns[name]), np.float32) for name in spec.outputs]
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


def _parse_device(device: str) -> tuple[str, int]:
    kind, colon, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if device == "cpu":
        return "cpu", 0
    if kind != "cuda" or (colon and not (index.isascii() and index.isdecimal())):
        raise InputError(f"device must be 'cpu', 'cuda' or 'cuda:INDEX', got {device!r}")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise BackendError(
            f"device={device!r} needs an onnxruntime with CUDA, the installed one ({onnxruntime.__version__}) has "
            f"{', '.join(onnxruntime.get_available_providers())}: run `pip uninstall onnxruntime` and "
            "`pip install onnxruntime-gpu` (Jetson: NVIDIA's wheel for your JetPack), or use device='cpu'"
        )
    return "cuda", int(index or 0)


def open_session(
    path: Path, kind: str = "cpu", index: int = 0, threads: int | None = None, graph: bytes | None = None
) -> onnxruntime.InferenceSession:
    """A session that runs where it was asked to, or an error.

    Args:
        path: the ONNX file.
        kind, index: ``"cpu"`` or ``"cuda"``, and which one.
        threads: threads that one run may use; None leaves it to ONNX Runtime (all cores).
        graph: the file's content, edited; None reads the file.

    Raises:
        InputError: the name or ``threads`` cannot be used.
        ModelError: not an ONNX file, or truncated.
        BackendError: the device does not start.
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
    provider = "CPUExecutionProvider" if kind == "cpu" else "CUDAExecutionProvider"
    providers: list[Any] = [provider] if kind == "cpu" else [(provider, {"device_id": str(index)})]
    try:
        # Without enable_fallback=0 a device that does not start is replaced by the CPU, with a print and no error.
        session = onnxruntime.InferenceSession(graph or name, options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's errors share no base class
        if kind != "cpu":
            open_session(path, "cpu", 0, threads, graph)  # a damaged file is said as such
            raise BackendError(f"{path} does not start on {kind}:{index} ({error}); use device='cpu'") from None
        raise ModelError(
            f"{path} cannot be loaded as an ONNX model; it may be truncated or of another kind ({error})"
        ) from None
    if provider not in session.get_providers():
        raise BackendError(
            f"{provider} did not start, ONNX Runtime offers {', '.join(session.get_providers())} instead: check the "
            "driver, CUDA and cuDNN against the versions that onnxruntime-gpu needs, or use device='cpu'"
        )
    return session


def _read_spec(session: onnxruntime.InferenceSession, path: Path) -> ModelSpec:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelError(
            f"{path} carries no hpe_edge spec, so its crop, normalisation and bins are unknown; export it from its "
            f"checkpoint: python -m export.onnx CHECKPOINT -o {path.name}"
        )
    try:
        return ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _check_graph(
    session: onnxruntime.InferenceSession, spec: ModelSpec, path: Path
) -> tuple[int | None, dict[str, tuple[int, ...]]]:
    """The fixed batch, if any, and each output's shape after the batch; ModelError where spec and graph disagree."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].name != spec.input.name:
        raise ModelError(
            f"{path}: the spec names the input {spec.input.name!r}, the graph has {[i.name for i in inputs]}"
        )
    shape = inputs[0].shape
    if len(shape) != 4 or list(shape[1:]) != [3, spec.input.size, spec.input.size]:
        raise ModelError(
            f"{path}: the spec wants an input [N, 3, {spec.input.size}, {spec.input.size}], the graph has {shape}"
        )
    if _ELEMENT.get(inputs[0].type) != np.dtype(spec.input.dtype):
        raise ModelError(f"{path}: the spec wants a {spec.input.dtype} input, the graph has {inputs[0].type}")
    fixed = shape[0] if isinstance(shape[0], int) else None
    found = {output.name: output for output in session.get_outputs()}
    columns: dict[str, tuple[int, ...]] = {}
    for name, needed in head_columns(spec).items():
        output = found.get(name)
        if output is None:
            raise ModelError(f"{path}: the spec names the output {name!r}, the graph has {sorted(found)}")
        rest = output.shape[1:]
        if output.type != "tensor(float)" or not rest or not all(isinstance(d, int) for d in rest):
            raise ModelError(f"{path}: output {name!r} must be float32 [N, columns], got {output.type} {output.shape}")
        rows = output.shape[0]
        if (rows if isinstance(rows, int) else None) != fixed:
            raise ModelError(f"{path}: the input takes batches of {shape[0]}, but output {name!r} gives {rows}")
        if int(np.prod(rest)) < needed:
            raise ModelError(f"{path}: the decode reads {needed} columns of output {name!r}, which is {output.shape}")
        columns[name] = tuple(rest)
    return fixed, columns
