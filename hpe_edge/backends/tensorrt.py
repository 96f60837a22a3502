"""TensorRT: an engine built by ``python -m export.trt``, on the NVIDIA GPU that it was built for.

Faces are cropped on the CPU into pinned memory and copied from there; per batch size, that copy, the network and the
copy back are one CUDA graph, captured when the size first occurs.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.cuda import Device, parse_device
from hpe_edge.backends.plan_file import EngineInfo, read_info
from hpe_edge.backends.tensorrt_library import load_tensorrt
from hpe_edge.backends.tensorrt_plan import Loaded
from hpe_edge.errors import BackendError, InputError
from hpe_edge.spec import ModelSpec


def load_engine(path: Path, *, device: str = "cuda") -> TensorRTBackend:
    """Load an engine and what is beside it.

    Args:
        path: the plan; ``<engine>.json`` stands beside it.
        device: ``"cuda"`` or ``"cuda:INDEX"``.

    Raises:
        ModelError: the plan is truncated, the description is missing or contradicts it.
        BackendError: TensorRT, cuda-bindings or the GPU is missing, or not what the plan was built for.
    """
    index = parse_device(device)
    info = read_info(path)
    plan = path.read_bytes()
    info.check_plan(path, plan)
    return TensorRTBackend(path, plan, info, index)


class TensorRTBackend:
    """A plan in TensorRT's runtime. Implements :class:`hpe_edge.backends.base.Backend`."""

    def __init__(self, path: Path, plan: bytes, info: EngineInfo, index: int = 0) -> None:
        """
        Args:
            path: names the plan in messages.
            plan: its bytes.
            info: what it is.
            index: the GPU, as CUDA counts.

        Raises:
            ModelError: the plan is not what ``info`` says.
            BackendError: see :func:`load_engine`.
        """
        self.spec: ModelSpec = info.spec
        self.device = f"cuda:{index}"
        self.max_batch = info.profile[2]
        self.fixed_batch = info.profile[0] == info.profile[2]
        trt = load_tensorrt()
        # TensorRT's runtime crashes the process where there is no driver; this looks for one first.
        gpu = Device(index)
        self._cleanup = contextlib.ExitStack()
        # Also when the last reference goes, and before Python's modules do at the end.
        self._finish = weakref.finalize(self, _free, gpu, self._cleanup)
        try:
            info.check_machine(path, trt.__version__, gpu.name, gpu.capability)
            with gpu:
                self.loaded = Loaded(trt, gpu, path, plan, info)
        except BaseException:
            self.close()
            raise
        self._cleanup.callback(self.loaded.close)

    def context(self) -> TensorRTContext:
        """A fresh set of buffers for one caller at a time."""
        with self.loaded.gpu:
            context = TensorRTContext(self.loaded)
        self._cleanup.callback(context.close)
        return context

    def close(self) -> None:
        """Free the plan and the buffers of all contexts."""
        self._finish()


def _free(gpu: Device, cleanup: contextlib.ExitStack) -> None:
    # Where the CUDA context is gone already, all in it is.
    with contextlib.suppress(BackendError), gpu:
        cleanup.close()
    gpu.close()


class TensorRTContext:
    """Buffers of one caller. Implements :class:`hpe_edge.backends.base.Context`.

    A captured graph holds only as long as the execution context that it was captured from is left alone, so that every
    batch size has one of its own. They run one after the other and share the memory for what is between the layers.

    Attributes:
        captured: the batch sizes that are CUDA graphs by now.
    """

    def __init__(self, loaded: Loaded) -> None:
        """
        Args:
            loaded: the plan; its GPU is entered.

        Raises:
            BackendError: out of memory.
        """
        self.captured: set[int] = set()
        self._loaded, self._gpu, self._spec = loaded, loaded.gpu, loaded.info.spec
        self._least, _, self._most = loaded.info.profile
        self._filled = 0
        self._launches: dict[int, Callable[[], None]] = {}
        self._executions: list[Any] = []
        self._views: dict[int, tuple[NDArray[Any], list[NDArray[np.float32]]]] = {}
        self._cleanup = contextlib.ExitStack()
        gpu, given = self._gpu, self._spec.input
        try:
            self._stream = gpu.stream(self._cleanup)
            self._input = gpu.pinned((self._most, 3, given.size, given.size), given.dtype, self._cleanup)
            self._outputs = {
                name: gpu.pinned((self._most, *shape), np.float32, self._cleanup)
                for name, shape in loaded.shapes.items()
            }
            arrays = {given.name: self._input, **self._outputs}
            self._addresses = {name: gpu.memory(array.nbytes, self._cleanup) for name, array in arrays.items()}
            self._between_bytes = loaded.between_bytes()
            self._between = gpu.memory(self._between_bytes, self._cleanup)
        except BaseException:
            self._cleanup.close()
            raise
        self._cleanup.callback(self._executions.clear)
        self._cleanup.callback(self._launches.clear)

    def input(self, count: int) -> NDArray[Any]:
        """See :class:`hpe_edge.backends.base.Context`."""
        return self._view(count)[0]

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """See :class:`hpe_edge.backends.base.Context`.

        Raises:
            InputError: more faces than the engine's profile takes.
            BackendError: TensorRT or CUDA failed.
        """
        if not 1 <= count <= self._most:
            raise InputError(f"the engine takes 1 to {self._most} faces at a time, got {count}; run them in parts")
        batch = max(count, self._least)
        if count < self._filled:
            # The fewest that the profile takes may be more than there are: faces of an earlier call stay out of it.
            self._input[count : self._filled] = 0
        self._filled = count
        with self._gpu:
            launch = self._launches.get(batch)
            if launch is None:
                launch = self._launches[batch] = self._prepare(batch)
            launch()
            self._gpu.synchronize(self._stream)
        return self._view(count)[1]

    def close(self) -> None:
        """Free everything; the GPU must be entered."""
        self._cleanup.close()

    def _view(self, count: int) -> tuple[NDArray[Any], list[NDArray[np.float32]]]:
        views = self._views.get(count)
        if views is None:
            views = self._views[count] = (self._input[:count], [array[:count] for array in self._outputs.values()])
        return views

    def _prepare(self, batch: int) -> Callable[[], None]:
        """What enqueues a run of ``batch`` faces.

        Raises:
            BackendError: TensorRT or CUDA failed.
        """
        loaded, given = self._loaded, self._spec.input
        execution = loaded.execution(self._between, self._between_bytes)
        self._executions.append(execution)
        if not execution.set_input_shape(given.name, (batch, 3, given.size, given.size)):
            raise BackendError(f"the engine refuses a batch of {batch}: {loaded.messages.take()}")
        for name, address in self._addresses.items():
            if not execution.set_tensor_address(name, address):
                raise BackendError(f"the engine refuses a buffer for {name!r}: {loaded.messages.take()}")

        def enqueue() -> None:
            self._gpu.copy_in(self._addresses[given.name], self._input[:batch], self._stream)
            if not execution.execute_async_v3(int(self._stream)):
                raise BackendError(f"TensorRT failed on a batch of {batch}: {loaded.messages.take()}")
            for name, array in self._outputs.items():
                self._gpu.copy_out(array[:batch], self._addresses[name], self._stream)

        # The first run of a shape sets up what is not to be captured.
        enqueue()
        self._gpu.synchronize(self._stream)
        try:
            launch = self._gpu.capture(enqueue, self._stream, self._cleanup)
        except BackendError:
            return enqueue  # a network that cannot be captured gives the same answers launch by launch
        self.captured.add(batch)
        return launch
