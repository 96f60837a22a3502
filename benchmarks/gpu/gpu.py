"""A GPU to measure on: memory, one stream, and clocks."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import time
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.timing import Clock
from hpe_edge.cuda.device import Device, checked
from hpe_edge.errors import BackendError
from hpe_edge.ops.native import native

# Block size, larger than any cache, and copies timed together.
COPY_BYTES = 256 << 20
COPIES = 10


class Gpu:
    """One GPU, current until ``cleanup`` is closed, and the stream for all work.

    Attributes:
        device: the GPU.
        handle, stream: of cuda-bindings, and its address.
        one_by_one: times a launch and a synchronisation by the host's clock.
    """

    def __init__(self, cleanup: contextlib.ExitStack) -> None:
        """
        Raises:
            BackendError: there is no GPU, or hpe_edge was built without CUDA.
        """
        self.device = Device()
        cleanup.callback(self.device.close)
        reason = native.probe_cuda().reason
        if reason:
            raise BackendError(
                f"there is a GPU, but hpe_edge cannot launch on it ({reason}); `hpe-edge doctor` says what is missing"
            )
        cleanup.enter_context(self.device)
        self.handle = self.device.stream(cleanup)
        self.stream = int(self.handle)
        self._events = (self._event(cleanup), self._event(cleanup))
        self.one_by_one = Clock(self._with_waits, shortest_run_ns=100_000, most_calls_per_run=16)

    def wait(self) -> None:
        """Synchronise the stream.

        Raises:
            BackendError: some work failed.
        """
        self.device.synchronize(self.handle)

    def put(self, array: NDArray[Any], cleanup: contextlib.ExitStack) -> int:
        """Copy an array to the GPU; the address there."""
        address = self.device.memory(array.nbytes, cleanup)
        self.device.copy_in(address, np.ascontiguousarray(array), self.handle)
        self.wait()
        return address

    def get(self, address: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Copy an array from the GPU."""
        with contextlib.ExitStack() as cleanup:
            array = self.device.pinned(shape, dtype, cleanup)
            self.device.copy_out(array, address, self.handle)
            self.wait()
            found: NDArray[Any] = array.copy()
        return found

    def send(self, address: int, array: NDArray[Any]) -> None:
        """Enqueue the copy of a page-locked array."""
        self.device.copy_in(address, array, self.handle)

    def copy_bandwidth(self) -> float:
        """Bytes per second that a device-to-device copy reads and writes; the best of many.

        Raises:
            BackendError: the GPU has no room for two blocks of COPY_BYTES.
        """
        with contextlib.ExitStack() as cleanup:
            source, to = (self.device.memory(COPY_BYTES, cleanup) for _ in range(2))
            copy = functools.partial(self._copy_within, to, source)
            fastest_ns = min(self.between_events(copy, COPIES) for _ in range(20))
        return 2e9 * COPY_BYTES * COPIES / fastest_ns

    def record(self, work: Callable[[], None], cleanup: contextlib.ExitStack) -> Callable[[], None]:
        """Capture a graph of what ``work`` enqueues; return a call that enqueues the graph."""
        graph = self.device.capture(work, self.handle, cleanup)
        return functools.partial(self._launch, graph)

    def between_events(self, call: Callable[[], Any], count: int) -> int:
        """Return the nanoseconds between CUDA events around calls in a row; they resolve half a microsecond."""
        rt, (start, stop) = self.device.runtime, self._events
        checked("marking the start", rt.cudaEventRecord(start, self.handle))
        for _ in repeat(None, count):
            call()
        checked("marking the end", rt.cudaEventRecord(stop, self.handle))
        self.wait()
        milliseconds: float = checked("reading the events", rt.cudaEventElapsedTime(start, stop))
        return max(round(1e6 * milliseconds), 1)

    def describe(self) -> dict[str, str | int]:
        """The GPU, its driver and the versions of CUDA, for the results."""
        version = native.probe_cuda().runtime_version
        index = str(self.device.index)
        return {
            "gpu": self.device.name,
            "compute_capability": self.device.capability,
            "driver": _output_of("nvidia-smi", "-i", index, "--query-gpu=driver_version", "--format=csv,noheader"),
            "cuda_of_driver": self.device.driver_version(),
            "cuda_of_build": f"{version // 1000}.{version % 1000 // 10}",
            "clocks_and_power": _output_of(
                "nvidia-smi", "-i", index, "--query-gpu=clocks.sm,clocks.mem,power.limit", "--format=csv,noheader"
            ),
            "power_mode": _output_of("nvpmodel", "-q"),
        }

    def _launch(self, graph: int) -> None:
        # Not Device.launch, which waits: events are timed around many in a row.
        checked("launching a CUDA graph", self.device.runtime.cudaGraphLaunch(graph, self.handle))

    def _copy_within(self, to: int, source: int) -> None:
        rt = self.device.runtime
        kind = rt.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        checked("copying within the GPU", rt.cudaMemcpyAsync(to, source, COPY_BYTES, kind, self.handle))

    def _event(self, cleanup: contextlib.ExitStack) -> Any:
        rt = self.device.runtime
        event = checked("making an event", rt.cudaEventCreateWithFlags(rt.cudaEventDefault))
        cleanup.callback(rt.cudaEventDestroy, event)
        return event

    def _with_waits(self, call: Callable[[], Any], count: int) -> int:
        clock = time.perf_counter_ns
        start = clock()
        for _ in repeat(None, count):
            call()
            self.wait()
        return clock() - start


class Lent:
    """GPU memory for torch and CuPy without a copy, by the CUDA array interface."""

    def __init__(self, address: int, shape: tuple[int, ...], dtype: Any) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "data": (address, False),
            "version": 3,
        }


def _output_of(*command: str) -> str:
    """A program's output in one line; "unknown" where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return ", ".join(done.stdout.split("\n")).strip(", ") if done.returncode == 0 and done.stdout else "unknown"
