"""ONNX Runtime backend: any ONNX file with a spec, on the CPU, or on a GPU where the installed package supports it."""

from __future__ import annotations

import contextlib
import weakref
from pathlib import Path

import onnxruntime

from hpe_edge.backends.onnx.check_graph import DYNAMIC_MAX_BATCH, GPU_MAX_BATCH, GraphTensor, check_graph, read_spec
from hpe_edge.backends.onnx.context import OnnxRuntimeContext
from hpe_edge.backends.onnx.open_session import CPU, Provider, cuda, open_session, parse_device, tensorrt
from hpe_edge.cuda.device import Device, release
from hpe_edge.errors import BackendError, InputError
from hpe_edge.spec import METADATA_KEY, ModelSpec

_TUNED_BATCH = 4  # batch size that TensorRT optimises for
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
            BackendError: the installed onnxruntime does not support the device.
            InputError: TensorRT is requested on the CPU.
            OutputError: the cache folder for TensorRT's engines cannot be made.
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
        self.spec, fixed, self._columns = _examined(self.session, path)
        self.fixed_batch = fixed is not None
        self.channels_last = False
        self.max_batch = fixed or (DYNAMIC_MAX_BATCH if index is None else GPU_MAX_BATCH)
        self._memory = None if index is None else ("cuda", index)
        self.gpu = None if index is None else _gpu(index)
        self._cleanup = contextlib.ExitStack()
        self._finish = weakref.finalize(self, release, self.gpu, self._cleanup)

    def context(self) -> OnnxRuntimeContext:
        """Allocate a set of buffers for one caller at a time."""
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

    def abandon(self) -> None:
        """See :class:`hpe_edge.backends.base.Backend`."""
        self._finish.detach()


def _tensorrt_for(path: Path, index: int, threads: int | None) -> Provider:
    """Return TensorRT's provider; its options need the input's shape, which a session on the CPU reads first."""
    spec, fixed_batch, _ = _examined(open_session(path, threads), path)
    batches = (1, _TUNED_BATCH, GPU_MAX_BATCH) if fixed_batch is None else None
    return tensorrt(index, path, spec.precision, spec.input.name, (3, spec.input.size, spec.input.size), batches)


def _examined(
    session: onnxruntime.InferenceSession, path: Path
) -> tuple[ModelSpec, int | None, dict[str, tuple[int, ...]]]:
    """Return the spec and the results of :func:`hpe_edge.backends.onnx.check_graph.check_graph`."""
    inputs, outputs = ([_tensor(each) for each in ends] for ends in (session.get_inputs(), session.get_outputs()))
    spec = read_spec(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), path, inputs, outputs)
    return spec, *check_graph(inputs, outputs, spec, path)


def _tensor(end: onnxruntime.NodeArg) -> GraphTensor:
    dtype = _DTYPES.get(end.type, end.type.removeprefix("tensor(").removesuffix(")"))
    return GraphTensor(end.name, dtype, tuple("N" if d is None else d for d in end.shape))


def _gpu(index: int) -> Device | None:
    """Open the GPU that the session uses; None where cuda-bindings is missing or does not match the driver.

    Without it buffers are pageable memory, which copies slower, and frames on the GPU are fetched to the host.
    """
    try:
        return Device(index)
    except BackendError:
        return None
