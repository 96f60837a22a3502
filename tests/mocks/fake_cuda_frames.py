"""The double of cuda-bindings with frames of other libraries in its memory."""

from __future__ import annotations

import ctypes
import enum
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fake_cuda import FakeCuda, Handle, Stream


class Result(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


class FrameCuda(FakeCuda):
    """The double with the driver's calls that a frame takes.

    Attributes:
        owner: the context of each piece of memory; none for memory of a pool.
        copies: how many were made.
        failing: what copies answer.
        ordinal: the GPU that all memory is on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.owner: dict[int, Handle] = {}
        self.streams: dict[int, Handle] = {}
        self.copies = 0
        self.failing = Result.CUDA_SUCCESS
        self.ordinal = 0
        vars(self.driver).update(self._frame_calls())

    def place(self, content: np.ndarray, context: Handle | None = None) -> int:
        """Device memory with that content; its address."""
        self.stack.append(context or Handle(0))
        _, address = self._allocate(content.nbytes, True)
        self.stack.pop()
        assert address is not None
        ctypes.memmove(address, content.tobytes(), content.nbytes)
        if context is not None:
            self.owner[address] = context
        return address

    def remove(self, address: int) -> None:
        """Free what was placed."""
        block, _ = self._blocks.pop(address)
        self.used -= ctypes.sizeof(block)

    def stream(self, context: Handle, number: int = 0) -> int:
        """A stream of a context; the default streams have numbers of their own."""
        stream = number or self._handle()
        self._streams[stream] = Stream()
        self.streams[stream] = context
        return stream

    def later(self, stream: int, address: int, content: np.ndarray) -> None:
        """Work on a stream that writes the content once it is the stream's turn."""
        content = np.ascontiguousarray(content).copy()
        self._streams[stream].queue.append(lambda: ctypes.memmove(address, content.ctypes.data, content.nbytes))

    def _frame_calls(self) -> dict[str, Callable[..., Any]]:
        ok = Result.CUDA_SUCCESS
        which = types.SimpleNamespace(
            CU_POINTER_ATTRIBUTE_CONTEXT=1, CU_POINTER_ATTRIBUTE_DEVICE_POINTER=3, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL=9
        )

        def cuPointerGetAttribute(attribute: int, ptr: int) -> tuple[Result, Any]:
            for start, (block, on_device) in self._blocks.items():
                if start <= ptr < start + ctypes.sizeof(block) and (on_device or attribute == 3):
                    return ok, {1: self.owner.get(start, Handle(0)), 3: ptr, 9: self.ordinal}[attribute]
            return Result.CUDA_ERROR_INVALID_VALUE, None

        def cuMemcpyDtoHAsync(dstHost: int, srcDevice: int, ByteCount: int, hStream: int) -> tuple[Result]:
            self.check_range(srcDevice, ByteCount, True)
            assert self.streams.get(hStream, self.stack[-1]) == self.stack[-1], "another context's stream"
            self.copies += 1
            at = self._streams.setdefault(hStream, Stream())
            at.queue.append(lambda: ctypes.memmove(dstHost, srcDevice, ByteCount))
            return (self.failing,)

        def cuStreamSynchronize(hStream: int) -> tuple[Result]:
            self._need_context()
            self._streams[hStream].run()
            return (ok,)

        def cuCtxSynchronize() -> tuple[Result]:
            if not self.wait_for_context():
                return (Result.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,)
            for stream, context in self.streams.items():
                if context == self.stack[-1]:
                    cuStreamSynchronize(stream)
            return (ok,)

        calls = (cuPointerGetAttribute, cuMemcpyDtoHAsync, cuStreamSynchronize, cuCtxSynchronize)
        return {call.__name__: call for call in calls} | {"CUpointer_attribute": which}


class CudaArray:
    """Array with CUDA's array interface, as any library exports it."""

    def __init__(self, address: int, like: np.ndarray, **more: Any) -> None:
        self.__cuda_array_interface__ = {
            "shape": like.shape,
            "typestr": like.dtype.str,
            "data": (address, False),
            "version": 3,
            **more,
        }


class DeviceTensor:
    """A tensor on a GPU that exports DLPack alone, its memory a torch tensor's."""

    OFFSET = 64

    def __init__(self, cuda: FrameCuda, tensor: torch.Tensor, address: int, kind: int) -> None:
        self.cuda, self.tensor, self.address, self.kind = cuda, tensor, address, kind
        self.index = 0
        self.waits_for: list[int] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.kind, self.index

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        assert stream is not None
        self.waits_for.append(stream)
        capsule = self.tensor.__dlpack__()
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        at = get(capsule, b"dltensor")
        # Of torch's own structure: the data pointer, the device's kind behind it, and at the end the offset.
        ctypes.c_void_p.from_address(at).value = self.address - self.OFFSET
        ctypes.c_int32.from_address(at + 8).value = self.kind
        ctypes.c_uint64.from_address(at + 40).value = self.OFFSET
        return capsule
