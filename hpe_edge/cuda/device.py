"""CUDA device with its streams, memory and graphs, through cuda-bindings, which is imported only here, on demand.

A current context of another library, such as PyCUDA, torch or CuPy, is replaced during a call and restored afterwards.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hpe_edge.cuda.driver_calls import driver_calls
from hpe_edge.cuda.version_table import cuda_bindings_for
from hpe_edge.errors import BackendError, InputError
from hpe_edge.ops.native import native

_MEMORY = ("CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation")
_CAPTURES = 3  # attempts, because other libraries' waits for the whole GPU spoil a capture
LEGACY_STREAM = 1  # the default stream, which waits for all streams that do not opt out of it

_capture_locks: dict[int, threading.RLock] = {}  # GPU -> lock


def load(part: str) -> Any:
    """Import ``cuda.bindings.driver`` or ``cuda.bindings.runtime``.

    Raises:
        BackendError: it is not installed; the message names the package.
    """
    try:
        return importlib.import_module(f"cuda.bindings.{part}")
    except (ImportError, OSError) as error:
        raise BackendError(
            f"running on an NVIDIA GPU needs cuda-bindings, which cannot be imported here ({error}): run `pip install "
            f"'{cuda_bindings_for('12')}'`, or '{cuda_bindings_for('13')}' where nvidia-smi shows CUDA 13"
        ) from None


def checked(doing: str, result: tuple[Any, ...]) -> Any:
    """Check the status of a CUDA call and return its value.

    Args:
        doing: purpose of the call, for messages.
        result: of the call: the status, then values.

    Raises:
        BackendError: the status is an error.
    """
    status, *values = result
    if int(status) == 0:
        return values[0] if values else None
    raise _failure(doing, status.name)


def _failure(doing: str, status: str) -> BackendError:
    if status in _MEMORY:
        return BackendError(
            f"{doing} failed, out of memory ({status}); close other programs on the GPU, or build the engine for "
            "smaller batches"
        )
    return BackendError(f"{doing} failed with {status}")


def capture_lock(index: int) -> threading.RLock:
    """Return the lock of a GPU that is held during captures, and to be held while a whole context is waited for.

    A wait for a context of which a stream is captured fails, and spoils the capture, in whichever thread it is.
    """
    return _capture_locks.setdefault(index, threading.RLock())


class Device:
    """NVIDIA GPU and the CUDA context of all work on it.

    The context is the thread's current one if it is on this GPU, so that arrays and streams of PyCUDA's own context can
    be used; else the GPU's primary context, which torch and CuPy share.

    Attributes:
        index: CUDA's index.
        name: such as ``"NVIDIA GeForce RTX 4090"``; on a Jetson ``"Orin"``.
        capability: the compute capability, such as ``"8.7"``.
        multiprocessors: their number; a Jetson's power mode and MPS may leave fewer than the GPU has.
        memory_mb: total memory; on a Jetson the host's, less what the system keeps.
        driver, runtime: cuda-bindings' modules.
        integrated: the GPU shares the host's memory, as on a Jetson.
        calls: the driver's functions, for native calls.
        context: handle of the context.
    """

    def __init__(self, index: int = 0) -> None:
        """Initialise CUDA and open the device.

        Raises:
            BackendError: no cuda-bindings, no driver or no GPU.
            InputError: the index is beyond the number of GPUs.
        """
        driver = self.driver = load("driver")
        self.runtime = load("runtime")
        try:
            checked("starting CUDA", driver.cuInit(0))
            count = checked("counting the GPUs", driver.cuDeviceGetCount())
        except Exception as error:  # without libcuda cuda-bindings raises; its releases differ in what
            raise BackendError(
                f"there is no working NVIDIA GPU here ({error}); `hpe-edge doctor` shows what is missing, and the ONNX "
                "file runs on the CPU"
            ) from None
        if index >= count:
            raise InputError(f"there is no GPU {index}, CUDA sees {count}: the first is cuda:0")
        self._handle = checked("opening the GPU", driver.cuDeviceGet(index))
        self.index = index
        self.capture_lock = capture_lock(index)
        self.name = checked("reading the GPU's name", driver.cuDeviceGetName(128, self._handle)).rstrip(b"\0").decode()
        major, minor = (self._attribute(f"COMPUTE_CAPABILITY_{part}") for part in ("MAJOR", "MINOR"))
        self.capability = f"{major}.{minor}"
        self.multiprocessors = self._attribute("MULTIPROCESSOR_COUNT")
        self.memory_mb = int(checked("reading the GPU's memory", driver.cuDeviceTotalMem(self._handle))) >> 20
        self.integrated = bool(self._attribute("INTEGRATED"))
        self._context = self._borrow_context()
        self._owned = self._context is None
        if self._context is None:
            self._context = checked("making a CUDA context", driver.cuDevicePrimaryCtxRetain(self._handle))
        self.context = int(self._context)
        self.calls = driver_calls(driver)

    def __enter__(self) -> Device:
        """Make this context current for the thread; the previous one is restored on exit."""
        checked("entering the CUDA context", self.driver.cuCtxPushCurrent(self._context))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.driver.cuCtxPopCurrent()

    def close(self) -> None:
        """Release the primary context; harmless twice."""
        if self._owned:
            self._owned = False
            self.driver.cuDevicePrimaryCtxRelease(self._handle)

    def driver_version(self) -> str:
        """Return the newest CUDA version that the driver supports, such as ``"12.4"``."""
        version = int(checked("reading the driver's version", self.driver.cuDriverGetVersion()))
        return f"{version // 1000}.{version % 1000 // 10}"

    def stream(self, cleanup: contextlib.ExitStack) -> Any:
        """Create a non-blocking stream; ``cleanup`` destroys it."""
        rt = self.runtime
        stream = checked("making a stream", rt.cudaStreamCreateWithFlags(rt.cudaStreamNonBlocking))
        cleanup.callback(rt.cudaStreamDestroy, stream)
        return stream

    def memory(self, size_bytes: int, cleanup: contextlib.ExitStack) -> int:
        """Allocate device memory, aligned to 256 bytes; return its address. ``cleanup`` frees it.

        Raises:
            BackendError: out of GPU memory.
        """
        rt = self.runtime
        address = int(checked(self._allocating(size_bytes, "memory"), rt.cudaMalloc(max(size_bytes, 1))))
        cleanup.callback(rt.cudaFree, address)
        return address

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike, cleanup: contextlib.ExitStack) -> NDArray[Any]:
        """Allocate a zeroed array in page-locked host memory, which the GPU copies by DMA; ``cleanup`` frees it.

        An integrated GPU also reads and writes it in place, at :meth:`address_of`.

        Raises:
            BackendError: out of page-locked memory.
        """
        block, array = self._pinned(shape, np.dtype(dtype))
        cleanup.callback(self.runtime.cudaFreeHost, ctypes.addressof(block))
        return array

    def pinned_for_long(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Like :meth:`pinned`, freed with the last reference to the array or a view of it.

        Raises:
            BackendError: out of page-locked memory.
        """
        block, array = self._pinned(shape, np.dtype(dtype))
        weakref.finalize(block, self._free_pinned, ctypes.addressof(block))
        return array

    def _free_pinned(self, address: int) -> None:
        with contextlib.suppress(BackendError), self:  # a destroyed CUDA context has freed it
            self.runtime.cudaFreeHost(address)

    def _pinned(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> tuple[ctypes.Array[ctypes.c_byte], NDArray[Any]]:
        """Allocate page-locked memory; return the block, kept alive by the array and its views, and the array."""
        rt = self.runtime
        size_bytes = math.prod(shape) * kind.itemsize
        flags = rt.cudaHostAllocMapped if self.integrated else rt.cudaHostAllocDefault
        address = int(checked(self._allocating(size_bytes, "pinned memory"), rt.cudaHostAlloc(size_bytes, flags)))
        block = (ctypes.c_byte * size_bytes).from_address(address)
        array = np.ctypeslib.as_array(block)
        array[...] = 0
        return block, array.view(kind).reshape(shape)

    def address_of(self, address: int) -> int | None:
        """Return the device address of memory known to CUDA, page-locked memory included; None for other memory."""
        which = self.driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_POINTER
        status, seen = self.driver.cuPointerGetAttribute(which, address)
        return int(seen) if int(status) == 0 else None

    def owns(self, address: int) -> bool:
        """Return True if the memory at an address is on this GPU, and in this context or in none."""
        return self.calls.owns(address, self.index, self.context)

    def event(self, cleanup: contextlib.ExitStack) -> Any:
        """Create an event that takes no time; ``cleanup`` destroys it."""
        rt = self.runtime
        event = checked("making an event", rt.cudaEventCreateWithFlags(rt.cudaEventDisableTiming))
        cleanup.callback(rt.cudaEventDestroy, event)
        return event

    def copy_in(self, to: int, array: NDArray[Any], stream: Any) -> None:
        """Enqueue a copy of a pinned array to the device."""
        rt = self.runtime
        kind = rt.cudaMemcpyKind.cudaMemcpyHostToDevice
        checked("copying to the GPU", rt.cudaMemcpyAsync(to, array.ctypes.data, array.nbytes, kind, stream))

    def copy_out(self, array: NDArray[Any], source: int, stream: Any) -> None:
        """Enqueue a copy from the device into a pinned array."""
        rt = self.runtime
        kind = rt.cudaMemcpyKind.cudaMemcpyDeviceToHost
        checked("copying from the GPU", rt.cudaMemcpyAsync(array.ctypes.data, source, array.nbytes, kind, stream))

    def synchronize(self, stream: Any) -> None:
        """Wait for all work on the stream.

        Raises:
            BackendError: some of the work failed.
        """
        checked("running on the GPU", self.runtime.cudaStreamSynchronize(stream))

    def wait_for_all(self) -> None:
        """Wait for all work of the context, but not while a graph is captured on the GPU."""
        with self.capture_lock:
            checked("waiting for the frame", self.driver.cuCtxSynchronize())

    def capture(self, work: Callable[[], None], stream: Any, cleanup: contextlib.ExitStack) -> int:
        """Record what ``work`` enqueues on the stream, without running it, as a CUDA graph.

        It is tried again if it fails, as it does when another library waits for the whole GPU meanwhile.

        Args:
            work: enqueues on ``stream`` only, with the same addresses every time.
            stream: idle.
            cleanup: destroys the graph.

        Returns:
            Handle of the graph, for :meth:`launch`.

        Raises:
            BackendError: the work cannot be captured.
        """
        with self.capture_lock:
            for _ in range(_CAPTURES - 1):
                with contextlib.suppress(BackendError):
                    return self._capture(work, stream, cleanup)
            return self._capture(work, stream, cleanup)

    def launch(self, graph: int, stream: int) -> None:
        """Launch a graph and wait for its end; the GPU need not be entered.

        Raises:
            BackendError: some of the work failed.
        """
        try:
            self.calls.launch(self.context, graph, stream)
        except native.DriverError as error:
            raise self.failure(error) from None

    def failure(self, error: native.DriverError) -> BackendError:
        """Return the error of a native call that the driver refused."""
        doing, code = error.args
        try:
            return _failure(doing, self.driver.CUresult(code).name)
        except ValueError:  # newer than cuda-bindings
            return _failure(doing, f"CUDA's error {code}")

    def _capture(self, work: Callable[[], None], stream: Any, cleanup: contextlib.ExitStack) -> int:
        rt = self.runtime
        # Thread-local: allocations by other threads do not invalidate the capture.
        mode = rt.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        checked("beginning a CUDA graph", rt.cudaStreamBeginCapture(stream, mode))
        try:
            work()
        except BaseException:
            status, graph = rt.cudaStreamEndCapture(stream)  # else the stream stays in capture mode
            if int(status) == 0:
                rt.cudaGraphDestroy(graph)
            raise
        graph = checked("capturing a CUDA graph", rt.cudaStreamEndCapture(stream))
        try:
            ready = checked("preparing a CUDA graph", rt.cudaGraphInstantiateWithFlags(graph, 0))
        finally:
            rt.cudaGraphDestroy(graph)  # the executable graph does not need it
        cleanup.callback(rt.cudaGraphExecDestroy, ready)
        return int(ready)

    def _attribute(self, which: str) -> int:
        kind = getattr(self.driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{which}")
        return int(checked("reading a GPU attribute", self.driver.cuDeviceGetAttribute(kind, self._handle)))

    def _borrow_context(self) -> Any:
        """Return the current context if it is on this GPU, else None."""
        context = checked("reading the current context", self.driver.cuCtxGetCurrent())
        if not int(context):
            return None
        at = checked("reading the current GPU", self.driver.cuCtxGetDevice())
        return context if int(at) == int(self._handle) else None

    def _allocating(self, size_bytes: int, what: str) -> str:
        return f"allocating {size_bytes / 1e6:.1f} MB of {what} on {self.name}"


def release(gpu: Device | None, cleanup: contextlib.ExitStack) -> None:
    """Free the resources of ``cleanup`` on a GPU, then its context."""
    if gpu is None:
        return
    with contextlib.suppress(BackendError), gpu:  # a destroyed CUDA context has freed them
        cleanup.close()
    gpu.close()


def parse_device(device: str) -> int:
    """Return the index in ``"cuda"`` or ``"cuda:INDEX"``.

    Raises:
        InputError: another value.
    """
    kind, colon, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind != "cuda" or (colon and not (index.isascii() and index.isdecimal())):
        raise InputError(f"a TensorRT engine runs on a GPU: device must be 'cuda' or 'cuda:INDEX', got {device!r}")
    return int(index or 0)
