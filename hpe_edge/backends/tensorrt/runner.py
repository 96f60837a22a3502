"""TensorRT backend: an engine of ``hpe-edge export trt``, on an NVIDIA GPU that it was built for.

Faces of host frames are cropped on the CPU into pinned memory. Per batch size, the copy to the GPU, the network and the
copy back are one CUDA graph. Faces of GPU frames are cropped and decoded on the GPU, in one graph with the network, see
:mod:`hpe_edge.backends.gpu_path`. Batches are padded to the sizes of :mod:`hpe_edge.backends.tensorrt.buckets`; a
context's first call makes the graphs of them all.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.base import Rows
from hpe_edge.backends.gpu_path import GpuPath
from hpe_edge.backends.tensorrt.first_load import verified_on, verify
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
from hpe_edge.backends.tensorrt.placement import Placement, fastest
from hpe_edge.backends.tensorrt.plan import Loaded
from hpe_edge.backends.tensorrt.plan_file import LIBRARY_NAMES, EngineInfo, read_info
from hpe_edge.cuda.device import Device, parse_device, release
from hpe_edge.cuda.memory import Buffer
from hpe_edge.errors import BackendError, InputError
from hpe_edge.ops.crop import planes_of
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec

_log = logging.getLogger(__name__)

CropSource = Literal["host", "boxes", "warped"]  # origin of the network's input


def load_engine(path: Path, *, device: str = "cuda") -> TensorRTBackend:
    """Load an engine and its description; verify one of TensorRT-RTX where it was not verified on this GPU.

    Args:
        path: the plan; its description is ``<engine>.json`` beside it.
        device: ``"cuda"`` or ``"cuda:INDEX"``.

    Raises:
        ModelError: the plan is truncated, the description is missing or contradicts it.
        BackendError: TensorRT, cuda-bindings or the GPU is missing, or does not match the plan; or the accuracy gate
            failed on this GPU.
    """
    index = parse_device(device)
    info = read_info(path)
    plan = path.read_bytes()
    info.check_plan(path, plan)
    backend = TensorRTBackend(path, plan, info, index)
    if info.library == "tensorrt-rtx":
        try:
            backend.verify(path)
        except BaseException:
            backend.close()
            raise
    return backend


class TensorRTBackend:
    """A plan in TensorRT's runtime. Implements :class:`hpe_edge.backends.base.Backend`.

    Attributes:
        memory: placement of the network's input and outputs; None before it was measured.
    """

    def __init__(self, path: Path, plan: bytes, info: EngineInfo, index: int = 0) -> None:
        """
        Args:
            path: names the plan in messages.
            plan: its bytes.
            info: its description.
            index: CUDA's index of the GPU.

        Raises:
            ModelError: the plan does not match ``info``.
            BackendError: see :func:`load_engine`.
        """
        self.spec: ModelSpec = info.spec
        self.device = f"cuda:{index}"
        self.runtime = LIBRARY_NAMES[info.library]
        self.max_batch = info.profile[2]
        self.fixed_batch = info.profile[0] == info.profile[2]
        self.channels_last = info.channels_last
        trt = load_tensorrt(info.library)
        # TensorRT's runtime crashes the process without a driver; opening the device raises.
        gpu = Device(index)
        self.gpu: Device | None = gpu
        self._cleanup = contextlib.ExitStack()
        # Runs when the last reference is dropped, and before the interpreter's modules are.
        self._finish = weakref.finalize(self, release, gpu, self._cleanup)
        try:
            info.check_machine(path, trt.__version__, gpu)
            with gpu:
                self.loaded = Loaded(trt, gpu, path, plan, info)
        except BaseException:
            self.close()
            raise
        self._cleanup.callback(self.loaded.close)
        self.memory: Placement | None = None if gpu.integrated else "device"
        self._choosing = threading.Lock()

    def context(self) -> TensorRTContext:
        """Allocate a set of buffers for one caller at a time.

        The first one on a GPU that shares the host's memory measures where they are best.
        """
        with self._choosing, self.loaded.gpu:
            context = self._choose_memory() if self.memory is None else TensorRTContext(self.loaded, self.memory)
        self._cleanup.callback(context.close)
        return context

    def _choose_memory(self) -> TensorRTContext:
        """Measure both placements of the buffers; return the context with the faster one."""
        batch = self.loaded.info.profile[1]
        with contextlib.ExitStack() as losers:
            made: dict[Placement, TensorRTContext] = {}
            for placement in get_args(Placement):
                made[placement] = TensorRTContext(self.loaded, placement)
                losers.callback(made[placement].close)
            runs = {placement: context.single(batch) for placement, context in made.items()}
            best, times_s = fastest(runs)
            losers.pop_all()
            for placement, context in made.items():
                if placement != best:
                    context.close()
        self.memory = best
        _log.info(
            "input and outputs in %s memory: a batch of %d takes %s",
            best,
            batch,
            ", ".join(f"{1e6 * time_s:.0f} us in {placement} memory" for placement, time_s in times_s.items()),
        )
        return made[best]

    def verify(self, path: Path) -> None:
        """Run the accuracy gate of an engine at ``path`` that was not verified on this GPU.

        Raises:
            ModelError, UnverifiedError: see :func:`hpe_edge.backends.tensorrt.first_load.verify`.
        """
        loaded = self.loaded
        device = loaded.gpu
        gpu = f"{device.name} (compute capability {device.capability}, driver for CUDA {device.driver_version()})"
        if verified_on(loaded.info, gpu):
            return
        with loaded.gpu:
            context = TensorRTContext(loaded)
        try:
            verify(path, loaded.info, gpu, context, loaded.buckets)
        finally:
            with loaded.gpu:
                context.close()

    def close(self) -> None:
        """Free the plan and the buffers of all contexts."""
        self._finish()

    def abandon(self) -> None:
        """See :class:`hpe_edge.backends.base.Backend`."""
        self._finish.detach()


class TensorRTContext:
    """Buffers of one caller. Implements :class:`hpe_edge.backends.base.Context`.

    A captured graph is valid only while its execution context is unchanged, so every bucket has one of its own. They
    run one at a time and share the memory for activations.

    Attributes:
        captured: batch sizes that are CUDA graphs, with the source of their crops.
    """

    def __init__(self, loaded: Loaded, placement: Placement = "shared") -> None:
        """
        Args:
            loaded: the plan; its GPU is entered.
            placement: of input and outputs; a GPU with memory of its own has them there.

        Raises:
            BackendError: out of memory.
        """
        self.captured: set[tuple[int, CropSource]] = set()
        self._loaded, self._gpu, self._spec = loaded, loaded.gpu, loaded.info.spec
        self._buckets, self._most = loaded.buckets, loaded.buckets[-1]
        counts = range(self._most + 1)
        self._bucket_of = [next(size for size in self._buckets if size >= count) for count in counts]
        self._graphs: dict[tuple[int, CropSource], int] = {}
        self._uncaptured: dict[tuple[int, CropSource], Callable[[], None]] = {}
        self._ready: set[CropSource] = set()
        self._executions: dict[int, Any] = {}
        self._path: GpuPath | None = None
        self._cleanup = contextlib.ExitStack()
        gpu, given, shared = self._gpu, self._spec.input, placement == "shared"
        try:
            self._stream = gpu.stream(self._cleanup)
            self._stream_handle = int(self._stream)
            last = loaded.info.channels_last
            channels, height, width = loaded.info.input_shape
            shape = (height, width, channels) if last else (channels, height, width)
            self._input = Buffer(gpu, (self._most, *shape), given.dtype, self._cleanup, shared=shared)
            self._outputs = {
                name: Buffer(gpu, (self._most, *columns), np.float32, self._cleanup, shared=shared)
                for name, columns in loaded.shapes.items()
            }
            planes = planes_of(self._input.array) if last else self._input.array
            self._rows = Rows(planes, [buffer.array for buffer in self._outputs.values()])
            self._activation_bytes = loaded.activation_bytes()
            self._activations = gpu.memory(self._activation_bytes, self._cleanup)
        except BaseException:
            self._cleanup.close()
            raise
        self._cleanup.callback(self._executions.clear)
        self._cleanup.callback(self._uncaptured.clear)
        self._cleanup.callback(self._graphs.clear)

    def input(self, count: int) -> NDArray[Any]:
        """See :class:`hpe_edge.backends.base.Context`."""
        return self._rows.first(count)[0]

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """See :class:`hpe_edge.backends.base.Context`.

        Raises:
            InputError: more faces than the engine's profile takes.
            BackendError: TensorRT or CUDA failed.
        """
        if not 1 <= count <= self._most:
            raise InputError(f"the engine takes 1 to {self._most} faces at a time, got {count}; run them in parts")
        if "host" not in self._ready:
            with self._gpu:
                self._prepare("host")
        bucket = self._bucket_of[count]  # further rows keep what an earlier call left: nobody reads them
        graph = self._graphs.get((bucket, "host"))
        if graph is None:
            self._launch_uncaptured(bucket, "host")
        else:
            self._gpu.launch(graph, self._stream_handle)
        return self._rows.first(count)[1]

    def estimate(self, crop: Crop, requests: Sequence[Request], found: Sequence[Poses], decode: DecodeHeads) -> None:
        """See :class:`hpe_edge.backends.base.Context`; all of it is one CUDA graph per bucket.

        Raises:
            BackendError: TensorRT or CUDA failed.
        """
        bucket = self._bucket_of[sum([request.count for request in requests])]
        source: CropSource = "warped" if requests[0].warped else "boxes"
        if source not in self._ready:
            with self._gpu:
                if self._path is None:
                    last = self._loaded.info.channels_last
                    self._path = GpuPath(
                        self._gpu, self._spec, crop, self._most, self._stream, self._cleanup, channels_last=last
                    )
                self._path.load(requests, self._most)  # every bucket is run once
                self._prepare(source)
        assert self._path is not None
        graph = self._graphs.get((bucket, source))
        if graph is not None:
            self._path.run(graph, requests, bucket, found)
        else:
            self._path.load(requests, bucket)
            self._launch_uncaptured(bucket, source)
            self._path.read(requests, bucket, found)
        if decode.landmarks is not None:
            decode.fill_marks(self._rows.outputs, found, self._path.peaks)

    def single(self, batch: int) -> Callable[[], None]:
        """Prepare one batch size, and return the call that runs what the input buffer holds.

        Raises:
            BackendError: TensorRT or CUDA failed.
        """
        with self._gpu.capture_lock:
            self._capture(batch, "host")
        graph = self._graphs.get((batch, "host"))
        if graph is None:
            return lambda: self._launch_uncaptured(batch, "host")
        return lambda: self._gpu.launch(graph, self._stream_handle)

    def close(self) -> None:
        """Free everything; the GPU must be entered."""
        self._cleanup.close()

    def _launch_uncaptured(self, batch: int, source: CropSource) -> None:
        """Run a bucket that is not a graph, and wait for it."""
        with self._gpu:
            self._uncaptured[batch, source]()
            self._gpu.synchronize(self._stream)

    def _prepare(self, source: CropSource) -> None:
        """Make what all buckets need, if that is not done; largest first, which is the first to lack memory.

        Raises:
            BackendError: TensorRT or CUDA failed.
        """
        if source in self._ready:
            return
        for batch in reversed(self._buckets):
            if (batch, source) not in self.captured and (batch, source) not in self._uncaptured:
                with self._gpu.capture_lock:  # a context that is made meanwhile may wait for the whole GPU
                    self._capture(batch, source)
        self._ready.add(source)
        self._loaded.log_warnings()

    def _capture(self, batch: int, source: CropSource) -> None:
        """Make the graph of a run of ``batch`` faces, or the call that enqueues it where that is not possible.

        Raises:
            BackendError: TensorRT or CUDA failed.
        """
        execution = self._execution(batch)

        def enqueue() -> None:
            if self._path is None or source == "host":
                self._input.send(batch, self._stream)
            else:
                self._path.crop(batch, source == "warped", self._input.address)
            if not execution.execute_async_v3(int(self._stream)):
                raise BackendError(f"TensorRT failed on a batch of {batch}: {self._loaded.messages.take()}")
            if self._path is None or source == "host":
                for buffer in self._outputs.values():
                    buffer.receive(batch, self._stream)
            else:
                self._path.decode(batch, {name: (each.address, each.columns) for name, each in self._outputs.items()})
                for name in self._path.read_back:
                    self._outputs[name].receive(batch, self._stream)

        # The first run of a shape allocates lazily, which must not be captured.
        enqueue()
        self._gpu.synchronize(self._stream)
        try:
            self._graphs[batch, source] = self._gpu.capture(enqueue, self._stream, self._cleanup)
            self.captured.add((batch, source))
        except BackendError as error:
            self._loaded.warn_once(f"running without CUDA graphs, with the same results but slower: {error}")
            self._uncaptured[batch, source] = enqueue

    def _execution(self, batch: int) -> Any:
        """Return the execution context of one batch size, bound to the buffers."""
        if batch in self._executions:
            return self._executions[batch]
        loaded, given = self._loaded, self._spec.input
        execution = loaded.execution(batch, self._activations, self._activation_bytes, self._stream)
        if not execution.set_input_shape(given.name, (batch, *loaded.info.input_shape)):
            raise BackendError(f"the engine refuses a batch of {batch}: {loaded.messages.take()}")
        for name, buffer in {given.name: self._input, **self._outputs}.items():
            if not execution.set_tensor_address(name, buffer.address):
                raise BackendError(f"the engine refuses a buffer for {name!r}: {loaded.messages.take()}")
        self._executions[batch] = execution
        return execution
