"""A test double of cuda-bindings: the calls that hpe_edge makes, with host memory for the device's.

It is stricter than a GPU: work is done only when its stream is waited for, a call without a current context fails, a
copy must lie within what is allocated, when it is enqueued and when it is done, and nothing may be freed twice. To free
memory waits for all streams, so what uses it may not come later. An event holds the work that was on its stream when it
was recorded, and a wait for it the event's latest record. ``leaks`` tells what was never freed. A wait for a whole
context while a stream of it is captured fails, and spoils that capture, in whichever thread it is; so does a wait for
an event of another stream within a capture.

The functions that native code calls are C functions, whose addresses ``cuGetProcAddress`` gives. An error within one
is printed, kept in ``failures`` and returned as ``CUDA_ERROR_UNKNOWN``.
"""

from __future__ import annotations

import ctypes
import enum
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

FREE = 0xDD  # what freed and fresh memory is filled with


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_DEVICE = 101
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901
    CUDA_ERROR_UNKNOWN = 999


class cudaError_t(enum.IntEnum):  # as the binding names it
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901
    cudaErrorStreamCaptureIsolation = 905
    cudaErrorIllegalAddress = 700


class Handle(int):
    """Opaque handle: only its number counts."""


@dataclass
class Stream:
    queue: list[Callable[[], None]] = field(default_factory=list)
    captured: list[Callable[[], None]] | None = None  # a list while a graph is being captured
    spoilt: bool = False  # nothing can be captured until the capture is ended
    done: int = 0  # work that was done before what is in the queue

    def run(self, until: int | None = None) -> None:
        """Do the work up to a number of all that was ever enqueued, or all of it, in its order."""
        until = self.done + len(self.queue) if until is None else until
        while self.done < until:
            self.done += 1
            self.queue.pop(0)()


class FakeCuda:
    """The two modules and the state of the machine behind them.

    Attributes:
        driver, runtime: stand for ``cuda.bindings.driver`` and ``cuda.bindings.runtime``.
        devices: name and compute capability of each GPU.
        memory_bytes: of the GPU.
        multiprocessors: of the GPU, those that a power mode left on.
        stack: the current contexts of the calling thread, the innermost last.
        capturable: whether streams can be captured.
        at_capture: called as a capture begins, with the capture's number.
        captures: how many captures were begun.
        launches: how many graphs were launched.
        integrated: the GPU shares the host's memory.
        copied_bytes: how much was copied, either way.
        refusing: what a native function answers, by its name.
        native_calls: the native functions that were called, in order.
        failures: errors within native functions.
    """

    def __init__(self) -> None:
        self.devices: list[tuple[str, tuple[int, int]]] = [("Fake GPU", (8, 7))]
        self.memory_bytes = 1 << 30
        self.multiprocessors = 16
        self._local = threading.local()
        self.capturable = True
        self.at_capture: Callable[[int], None] = lambda number: None
        self.captures = 0
        self.launches = 0
        self.integrated = False
        self.copied_bytes = 0
        self.refusing: dict[str, int] = {}
        self.native_calls: list[str] = []
        self.failures: list[BaseException] = []
        self._events: dict[int, tuple[Stream, int] | None] = {}  # stream and how much of its work is waited for
        self._reached: dict[int, float] = {}  # when the stream got to an event that takes the time
        self.used = 0
        self._next = 1000
        self._contexts: dict[int, int] = {}  # context -> device
        self._primary: dict[int, tuple[Handle, int]] = {}  # device -> context and how often it is retained
        self._blocks: dict[int, tuple[Any, bool]] = {}  # address -> buffer and whether it is the device's
        self._streams: dict[int, Stream] = {}
        self._graphs: dict[int, list[Callable[[], None]]] = {}
        self.driver = self._driver()
        self.runtime = self._runtime()
        self._functions = self._native_functions()

    @property
    def stack(self) -> list[Handle]:
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        return self._local.stack

    def capturing(self, stream: int) -> bool:
        """True if work put on the stream is recorded instead of done."""
        return self._streams[int(stream)].captured is not None

    def wait_for_context(self) -> bool:
        """Wait for all streams, as ``cuCtxSynchronize`` and ``torch.cuda.synchronize`` do; False if one is captured."""
        self._need_context()
        spoilt = [each for each in self._streams.values() if each.captured is not None]
        for each in spoilt:
            each.spoilt = True
        return not spoilt

    def takes_work(self, stream: int) -> bool:
        """False while the stream's capture is spoilt."""
        return not self._streams[int(stream)].spoilt

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
        """Put the modules where ``import cuda.bindings.driver`` finds them."""
        for name, module in (("driver", self.driver), ("runtime", self.runtime)):
            monkeypatch.setitem(sys.modules, f"cuda.bindings.{name}", module)
        for name in ("cuda", "cuda.bindings"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        return self

    def leaks(self) -> dict[str, int]:
        """Resources not yet freed, by kind; empty when everything was freed."""
        counts = {
            "memory": len(self._blocks),
            "streams": len(self._streams),
            "graphs": len(self._graphs),
            "events": len(self._events),
            "primary contexts": sum(count for _, count in self._primary.values()),
        }
        return {kind: count for kind, count in counts.items() if count}

    def make_context(self, device: int) -> Handle:
        """A context as PyCUDA makes one, current from now on."""
        context = self._handle()
        self._contexts[context] = device
        self.stack.append(context)
        return context

    def destroy_context(self, context: Handle) -> None:
        """Make its memory unreachable."""
        del self._contexts[context]
        self.stack[:] = [each for each in self.stack if each != context]

    def enqueue(self, stream: int, work: Callable[[], None]) -> None:
        """Put work on a stream, as a library does that runs kernels."""
        self._need_context()
        at = self._streams[int(stream)]
        (at.queue if at.captured is None else at.captured).append(work)

    def use_library(self, library: ctypes.CDLL) -> None:
        """Give native code the functions of a C library in place of those here."""
        self._functions = {name: getattr(library, name) for name in self._functions}

    def check_range(self, address: int, size_bytes: int, on_device: bool) -> None:
        """Fail where an address range was not allocated, or elsewhere."""
        for start, (block, device) in self._blocks.items():
            if start <= address and address + size_bytes <= start + ctypes.sizeof(block):
                assert device == on_device or self.integrated, (
                    "host memory in place of the device's, or the other way round"
                )
                return
        raise AssertionError(f"{size_bytes} bytes at {address:#x} were never allocated, or are free again")

    def lend(self, address: int, size_bytes: int) -> None:
        """Memory of somebody else counts as the device's from now on."""
        self._blocks[address] = ((ctypes.c_ubyte * size_bytes).from_address(address), True)

    def knows(self, address: int) -> bool:
        """True if an address lies in memory that was allocated here."""
        return any(start <= address < start + ctypes.sizeof(block) for start, (block, _) in self._blocks.items())

    def _handle(self) -> Handle:
        self._next += 1
        return Handle(self._next)

    def _need_context(self) -> None:
        assert self.stack, "a CUDA call with no current context"

    def _allocate(self, size_bytes: int, on_device: bool) -> tuple[cudaError_t, int | None]:
        self._need_context()
        assert size_bytes > 0
        if on_device and self.used + size_bytes > self.memory_bytes:
            return cudaError_t.cudaErrorMemoryAllocation, None
        block = (ctypes.c_ubyte * size_bytes)()
        ctypes.memset(block, FREE, size_bytes)
        address = ctypes.addressof(block)
        self._blocks[address] = (block, on_device)
        self.used += size_bytes * on_device
        return cudaError_t.cudaSuccess, address

    def _free(self, address: int, on_device: bool) -> tuple[cudaError_t]:
        self._need_context()
        for stream in self._streams.values():  # to free memory waits for all that may use it
            stream.run()
        block, device = self._blocks.pop(int(address))
        assert device == on_device
        self.used -= ctypes.sizeof(block) * on_device
        return (cudaError_t.cudaSuccess,)

    def _driver(self) -> Any:
        ok = CUresult.CUDA_SUCCESS

        def cuInit(Flags: int) -> tuple[CUresult]:
            assert Flags == 0
            return (ok if self.devices else CUresult.CUDA_ERROR_NO_DEVICE,)

        def cuDeviceGetCount() -> tuple[CUresult, int]:
            return ok, len(self.devices)

        def cuDriverGetVersion() -> tuple[CUresult, int]:
            return ok, 12040

        def cuDeviceGet(ordinal: int) -> tuple[CUresult, Handle]:
            assert 0 <= ordinal < len(self.devices)
            return ok, Handle(ordinal)

        def cuDeviceGetName(length: int, dev: int) -> tuple[CUresult, bytes]:
            return ok, self.devices[dev][0].encode().ljust(length, b"\0")

        def cuDeviceGetAttribute(attrib: int, dev: int) -> tuple[CUresult, int]:
            if attrib in (16, 18):
                return ok, self.multiprocessors if attrib == 16 else int(self.integrated)
            return ok, self.devices[dev][1][attrib]

        def cuDeviceTotalMem(dev: int) -> tuple[CUresult, int]:
            return ok, self.memory_bytes

        def cuCtxGetCurrent() -> tuple[CUresult, Handle]:
            return ok, self.stack[-1] if self.stack else Handle(0)

        def cuCtxGetDevice() -> tuple[CUresult, Handle]:
            return ok, Handle(self._contexts[self.stack[-1]])

        def cuDevicePrimaryCtxRetain(dev: int) -> tuple[CUresult, Handle]:
            context, count = self._primary.get(dev, (self._handle(), 0))
            self._contexts[context] = dev
            self._primary[dev] = (context, count + 1)
            return ok, context

        def cuDevicePrimaryCtxRelease(dev: int) -> tuple[CUresult]:
            context, count = self._primary[dev]
            assert count > 0
            self._primary[dev] = (context, count - 1)
            return (ok,)

        def cuCtxPushCurrent(ctx: Handle) -> tuple[CUresult]:
            if ctx not in self._contexts:
                return (CUresult.CUDA_ERROR_INVALID_CONTEXT,)
            self.stack.append(ctx)
            return (ok,)

        def cuCtxPopCurrent() -> tuple[CUresult, Handle]:
            return ok, self.stack.pop()

        def cuPointerGetAttribute(attribute: int, ptr: int) -> tuple[CUresult, Any]:
            assert attribute == 3
            return (ok, ptr) if self.knows(ptr) else (CUresult.CUDA_ERROR_INVALID_VALUE, None)

        def cuGetProcAddress(symbol: bytes, cudaVersion: int, flags: int) -> tuple[CUresult, int, int]:
            assert cudaVersion >= 12000 and flags == 0
            return ok, ctypes.cast(self._functions[symbol.decode()], ctypes.c_void_p).value or 0, 0

        attributes = types.SimpleNamespace(
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR=0,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR=1,
            CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT=16,
            CU_DEVICE_ATTRIBUTE_INTEGRATED=18,
        )
        pointer_attributes = types.SimpleNamespace(CU_POINTER_ATTRIBUTE_DEVICE_POINTER=3)
        return _module(
            "cuda.bindings.driver",
            locals(),
            CUresult=CUresult,
            CUdevice_attribute=attributes,
            CUpointer_attribute=pointer_attributes,
        )

    def _runtime(self) -> Any:
        ok = cudaError_t.cudaSuccess

        def cudaStreamCreateWithFlags(flags: int) -> tuple[cudaError_t, Handle]:
            self._need_context()
            assert flags == 1, "a stream that the default stream waits for"
            stream = self._handle()
            self._streams[stream] = Stream()
            return ok, stream

        def cudaStreamDestroy(stream: Handle) -> tuple[cudaError_t]:
            self._need_context()
            gone = self._streams.pop(stream)
            assert gone.captured is None
            gone.run()
            return (ok,)

        def cudaStreamSynchronize(stream: Handle) -> tuple[cudaError_t]:
            self._need_context()
            at = self._streams[stream]
            assert at.captured is None, "synchronising is not allowed while a graph is captured"
            at.run()
            return (ok,)

        def cudaMalloc(size: int) -> tuple[cudaError_t, int | None]:
            return self._allocate(size, True)

        def cudaFree(devPtr: int) -> tuple[cudaError_t]:
            return self._free(devPtr, True)

        def cudaHostAlloc(size: int, flags: int) -> tuple[cudaError_t, int | None]:
            assert flags == (2 if self.integrated else 0)
            return self._allocate(size, False)

        def cudaFreeHost(ptr: int) -> tuple[cudaError_t]:
            return self._free(ptr, False)

        def cudaMemcpyAsync(dst: int, src: int, count: int, kind: int, stream: Handle) -> tuple[cudaError_t]:
            if not self.takes_work(stream):
                return (cudaError_t.cudaErrorStreamCaptureInvalidated,)
            self.copied_bytes += count
            self.check_range(dst, count, kind != 2)
            if kind == 1 and not self.knows(src):  # pageable memory is read before the call returns
                content = ctypes.string_at(src, count)

                def send() -> None:
                    self.check_range(dst, count, True)
                    ctypes.memmove(dst, content, count)

                self.enqueue(stream, send)
                return (ok,)
            self.check_range(src, count, kind != 1)

            def copy() -> None:
                self.check_range(dst, count, kind != 2)
                self.check_range(src, count, kind != 1)
                ctypes.memmove(dst, src, count)

            self.enqueue(stream, copy)
            return (ok,)

        def cudaEventCreateWithFlags(flags: int) -> tuple[cudaError_t, Handle]:
            self._need_context()
            assert flags in (0, 2)
            event = self._handle()
            self._events[event] = None
            if flags == 0:
                self._reached[event] = 0.0
            return ok, event

        def cudaEventDestroy(event: Handle) -> tuple[cudaError_t]:
            self._need_context()
            del self._events[event]
            self._reached.pop(event, None)
            return (ok,)

        def cudaEventRecord(event: Handle, stream: int) -> tuple[cudaError_t]:
            self._need_context()
            at = self._streams.setdefault(int(stream), Stream())
            assert event in self._events, "an event that was destroyed"
            if event in self._reached:
                at.queue.append(lambda: self._reached.update({event: time.perf_counter()}))
            self._events[event] = (at, at.done + len(at.queue))
            return (ok,)

        def cudaEventElapsedTime(start: Handle, end: Handle) -> tuple[cudaError_t, float]:
            return ok, 1e3 * (self._reached[end] - self._reached[start])

        def cudaStreamWaitEvent(stream: Handle, event: Handle, flags: int) -> tuple[cudaError_t]:
            recorded = self._events[event]
            assert flags == 0 and recorded is not None, "an event that was never recorded"
            other, count = recorded
            at = self._streams[int(stream)]
            if at.captured is not None and other is not at:
                at.spoilt = True
                return (cudaError_t.cudaErrorStreamCaptureIsolation,)
            self.enqueue(stream, lambda: other.run(count))
            return (ok,)

        def cudaStreamBeginCapture(stream: Handle, mode: int) -> tuple[cudaError_t]:
            assert mode == 1, "another thread's calls would spoil the capture"
            at = self._streams[stream]
            assert at.captured is None and not at.queue, "the stream is not idle"
            at.captured = []
            self.captures += 1
            self.at_capture(self.captures)
            return (ok,)

        def cudaStreamEndCapture(stream: Handle) -> tuple[cudaError_t, Handle | None]:
            at = self._streams[stream]
            assert at.captured is not None
            work, at.captured, spoilt, at.spoilt = at.captured, None, at.spoilt, False
            if spoilt:
                return cudaError_t.cudaErrorStreamCaptureInvalidated, None
            if not self.capturable:
                return cudaError_t.cudaErrorStreamCaptureUnsupported, None
            graph = self._handle()
            self._graphs[graph] = work
            return ok, graph

        def cudaGraphInstantiateWithFlags(graph: Handle, flags: int) -> tuple[cudaError_t, Handle]:
            assert flags == 0
            ready = self._handle()
            self._graphs[ready] = list(self._graphs[graph])
            return ok, ready

        def cudaGraphLaunch(graphExec: Handle, stream: Handle) -> tuple[cudaError_t]:
            self._need_context()
            assert graphExec in self._graphs, "a graph that was destroyed"
            assert self._streams[stream].captured is None, "a graph within a graph"
            self.launches += 1
            for work in self._graphs[graphExec]:
                self.enqueue(stream, work)
            return (ok,)

        def cudaGraphDestroy(graph: Handle) -> tuple[cudaError_t]:
            del self._graphs[graph]
            return (ok,)

        def cudaGraphExecDestroy(graphExec: Handle) -> tuple[cudaError_t]:
            del self._graphs[graphExec]
            return (ok,)

        modes = types.SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
        kinds = types.SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2, cudaMemcpyDeviceToDevice=3)
        return _module(
            "cuda.bindings.runtime",
            locals(),
            cudaError_t=cudaError_t,
            cudaStreamNonBlocking=1,
            cudaHostAllocDefault=0,
            cudaHostAllocMapped=2,
            cudaEventDefault=0,
            cudaEventDisableTiming=2,
            cudaStreamCaptureMode=modes,
            cudaMemcpyKind=kinds,
        )

    def _native_functions(self) -> dict[str, Any]:
        """The C functions of native code, which call those of the two modules; the modules may be changed later."""
        driver, runtime = self.driver, self.runtime
        pointer, address, size = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t

        def pop(context: Any) -> Any:
            status, popped = driver.cuCtxPopCurrent()
            context[0] = int(popped)
            return (status,)

        def attribute(value: int, which: int, at: int) -> Any:
            status, found = driver.cuPointerGetAttribute(which, at)
            if int(status) == 0:
                kind = ctypes.c_int if which == 9 else ctypes.c_void_p
                kind.from_address(value).value = int(found)
            return (status,)

        calls: dict[str, tuple[tuple[Any, ...], Callable[..., Any]]] = {
            "cuCtxPushCurrent": ((pointer,), lambda context: driver.cuCtxPushCurrent(context)),
            "cuCtxPopCurrent": ((ctypes.POINTER(pointer),), pop),
            "cuMemcpyHtoDAsync": (
                (address, pointer, size, pointer),
                lambda to, start, count, stream: runtime.cudaMemcpyAsync(to, start, count, 1, stream),
            ),
            "cuEventRecord": ((pointer, pointer), lambda event, stream: runtime.cudaEventRecord(event, stream)),
            "cuStreamWaitEvent": (
                (pointer, pointer, ctypes.c_uint),
                lambda stream, event, flags: runtime.cudaStreamWaitEvent(stream, event, flags),
            ),
            "cuGraphLaunch": ((pointer, pointer), lambda graph, stream: runtime.cudaGraphLaunch(graph, stream)),
            "cuStreamSynchronize": ((pointer,), lambda stream: runtime.cudaStreamSynchronize(stream)),
            "cuPointerGetAttribute": ((pointer, ctypes.c_int, address), attribute),
        }
        return {
            name: ctypes.CFUNCTYPE(ctypes.c_int, *kinds)(self._native_function(name, call))
            for name, (kinds, call) in calls.items()
        }

    def _native_function(self, name: str, call: Callable[..., Any]) -> Callable[..., int]:
        def function(*arguments: Any) -> int:
            self.native_calls.append(name)
            if name in self.refusing:
                return self.refusing[name]
            try:
                return int(call(*arguments)[0])
            except BaseException as error:
                traceback.print_exc()
                self.failures.append(error)
                return int(CUresult.CUDA_ERROR_UNKNOWN)

        return function


def _module(name: str, functions: dict[str, Any], **others: Any) -> Any:
    module = types.ModuleType(name)
    calls = {key: value for key, value in functions.items() if key.startswith("cu") and callable(value)}
    vars(module).update(calls, **others)
    return module
