"""Buffers of one caller of an ONNX Runtime session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike, NDArray

from hpe_edge.backends.base import Rows
from hpe_edge.errors import BackendError
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec

if TYPE_CHECKING:
    from hpe_edge.backends.gpu_path import GpuPath
    from hpe_edge.cuda.device import Device


class OnnxRuntimeContext:
    """Buffers bound to the session once per batch size. Implements :class:`hpe_edge.backends.base.Context`."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        spec: ModelSpec,
        columns: dict[str, tuple[int, ...]],
        max_batch: int,
        fixed: bool,
        memory: tuple[str, int] | None,
        gpu: Device | None = None,
        cleanup: contextlib.ExitStack | None = None,
    ) -> None:
        """
        Args:
            session, spec: the model.
            columns: name -> output shape without the batch axis.
            max_batch: rows of the buffers.
            fixed: the graph takes exactly ``max_batch`` rows.
            memory: device type and index of the session's input; None for host memory.
            gpu: the session's GPU, entered; None on the CPU, or without cuda-bindings.
            cleanup: frees page-locked and GPU memory.
        """
        self._session, self._spec, self._gpu = session, spec, gpu
        self._most = max_batch
        self._fixed_batch = max_batch if fixed else None
        self._cleanup = cleanup or contextlib.ExitStack()
        self._path: GpuPath | None = None
        size = spec.input.size
        self._rows = Rows(
            self._allocate((max_batch, 3, size, size), spec.input.dtype),
            # In host memory: ONNX Runtime copies these few kilobytes at the end of a run, without another call.
            [self._allocate((max_batch, *columns[name]), np.float32) for name in spec.outputs],
        )
        self._memory = memory
        self._bindings: dict[int, tuple[Any, onnxruntime.OrtValue | None]] = {}

    def _allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Allocate a zeroed array, page-locked if there is a GPU."""
        return np.zeros(shape, dtype) if self._gpu is None else self._gpu.pinned(shape, dtype, self._cleanup)

    def input(self, count: int) -> NDArray[Any]:
        """See :class:`hpe_edge.backends.base.Context`."""
        return self._rows.first(count)[0]

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """See :class:`hpe_edge.backends.base.Context`."""
        batch = self._padded(count)
        binding, staged = self._bound(batch)
        self._rows.clear_unused(count)
        with _raised_for(batch):
            if staged is not None:
                staged.update_inplace(self._rows.first(batch)[0])
            self._session.run_with_iobinding(binding)
        return self._rows.first(count)[1]

    def estimate(self, crop: Crop, requests: Sequence[Request], found: Sequence[Poses], decode: DecodeHeads) -> None:
        """See :class:`hpe_edge.backends.base.Context`.

        The crop runs on its own stream and is waited for, because ONNX Runtime runs on another one.

        Raises:
            BackendError: ONNX Runtime or CUDA failed.
        """
        count = sum(request.count for request in requests)
        batch = self._padded(count)
        binding, staged = self._bound(batch)
        gpu = self._gpu
        assert gpu is not None and staged is not None  # only called with a GPU
        with gpu:
            if self._path is None:
                from hpe_edge.backends.gpu_path import GpuPath

                self._stream = gpu.stream(self._cleanup)
                self._path = GpuPath(gpu, self._spec, crop, self._most, self._stream, self._cleanup)
            self._path.load(requests, batch)  # enters the GPU itself
            self._path.crop(batch, requests[0].warped, staged.data_ptr())
            gpu.synchronize(self._stream)
        with _raised_for(batch):
            self._session.run_with_iobinding(binding)
        outputs, start = self._rows.first(count)[1], 0
        for poses in found:
            decode([rows[start : start + len(poses)] for rows in outputs], poses)
            start += len(poses)

    def _padded(self, count: int) -> int:
        """Return the batch size that ``count`` faces are run with.

        On a GPU the next power of two: each size costs memory there and, at its first run, a choice of kernels.
        """
        if self._fixed_batch is not None or self._memory is None:
            return self._fixed_batch or count
        return min(1 << (count - 1).bit_length(), self._most)

    def _bound(self, batch: int) -> tuple[Any, onnxruntime.OrtValue | None]:
        bound = self._bindings.get(batch)
        if bound is None:
            bound = self._bindings[batch] = self._bind(batch)
        return bound

    def _bind(self, batch: int) -> tuple[Any, onnxruntime.OrtValue | None]:
        """Bind the buffers for a batch size; return the binding, and the input on the device if it is not the host."""
        binding = self._session.io_binding()
        (rows, outputs), staged = self._rows.first(batch), None
        if self._memory is None:
            _bind(binding.bind_input, self._spec.input.name, rows)
        else:
            # Host memory bound as input would be copied to the device once, at binding.
            staged = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(rows.shape), rows.dtype.type, *self._memory)
            binding.bind_ortvalue_input(self._spec.input.name, staged)
        for name, array in zip(self._spec.outputs, outputs, strict=True):
            _bind(binding.bind_output, name, array)
        return binding, staged


@contextlib.contextmanager
def _raised_for(batch: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise BackendError(f"ONNX Runtime failed on a batch of {batch}: {error}") from None


def _bind(bind: Any, name: str, array: NDArray[Any]) -> None:
    bind(
        name=name,
        device_type="cpu",
        device_id=0,
        element_type=array.dtype.type,
        shape=array.shape,
        buffer_ptr=array.ctypes.data,
    )
