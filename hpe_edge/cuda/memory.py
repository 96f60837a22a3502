"""Buffers shared by host and GPU, and copies from GPU memory of other libraries to the host."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hpe_edge.cuda.device import LEGACY_STREAM, Device, capture_lock, checked, load
from hpe_edge.errors import BackendError, InputError


class Buffer:
    """Page-locked host array and its counterpart on the GPU; rows are copied either way.

    On an integrated GPU both can be the same memory; copies are skipped then.

    Attributes:
        array: host memory, zeroed.
        address: device address.
        columns: values in a row.
    """

    def __init__(
        self,
        gpu: Device,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        cleanup: contextlib.ExitStack,
        *,
        shared: bool = True,
    ) -> None:
        """
        Args:
            gpu: entered by the caller.
            shape, dtype: of the array; the first axis counts rows.
            cleanup: frees both.
            shared: use the same memory for both on an integrated GPU.

        Raises:
            BackendError: out of memory.
        """
        self._gpu = gpu
        self.array = gpu.pinned(shape, dtype, cleanup)
        same = gpu.address_of(self.array.ctypes.data) if gpu.integrated and shared else None
        self._shared = same is not None
        self.columns = math.prod(shape[1:])
        self.address = gpu.memory(self.array.nbytes, cleanup) if same is None else same

    def send(self, rows: int, stream: Any) -> None:
        """Enqueue the copy of the first rows to the GPU."""
        if not self._shared:
            self._gpu.copy_in(self.address, self.array[:rows], stream)

    def receive(self, rows: int, stream: Any) -> None:
        """Enqueue the copy of the first rows to the host."""
        if not self._shared:
            self._gpu.copy_out(self.array[:rows], self.address, stream)


class LentPlane:
    """uint8 array in memory that a GPU reads, which other work has finished writing: CUDA's array interface to it.

    Attributes:
        gpu: the device, and the context that the address is valid in.
    """

    def __init__(self, gpu: Device, address: int, shape: tuple[int, ...], row_stride_bytes: int) -> None:
        """
        Args:
            gpu: see the class.
            address: of the first pixel.
            shape: ``[H, W]`` or ``[H, W, C]``; pixels are packed within a row.
            row_stride_bytes: from a row to the next.
        """
        self.gpu = gpu
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": "|u1",
            "data": (address, True),
            "strides": (row_stride_bytes, *(math.prod(shape[axis + 1 :]) for axis in range(1, len(shape)))),
            "stream": LEGACY_STREAM,
            "version": 3,
        }


def fetch(array: NDArray[np.uint8], address: int, stream: int | None) -> None:
    """Copy GPU memory into a host array, after its owner's work and in its context, and wait for the copy.

    Args:
        array: C-contiguous, on the host.
        address: device address of as many bytes.
        stream: the writing stream, as in CUDA's array interface: 1 and 2 for the default streams, else the handle. None
            if it is not known: all work in the memory's context is waited for.

    Raises:
        InputError: CUDA does not know the address.
        BackendError: no cuda-bindings or no driver, or the copy failed, as it does where earlier work on the GPU did.
    """
    driver = load("driver")
    try:
        checked("starting CUDA", driver.cuInit(0))
    except Exception as error:  # without libcuda cuda-bindings raises; its releases differ in what
        raise BackendError(f"the frame claims to be on a GPU, but CUDA does not start here ({error})") from None
    with _entered(driver, address):
        if stream is None:
            index = int(checked("reading the frame's GPU", driver.cuCtxGetDevice()))
            with capture_lock(index):
                checked("waiting for the frame", driver.cuCtxSynchronize())
            stream = LEGACY_STREAM
        checked("copying the frame", driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, stream))
        checked("copying the frame", driver.cuStreamSynchronize(stream))


@contextlib.contextmanager
def _entered(driver: Any, address: int) -> Iterator[None]:
    """Make the context that owns the memory current; its writing stream belongs to it."""
    which = driver.CUpointer_attribute
    status, context = driver.cuPointerGetAttribute(which.CU_POINTER_ATTRIBUTE_CONTEXT, address)
    if int(status) != 0:
        raise InputError(
            f"the frame claims to be at {address:#x} of a GPU, where CUDA knows of no memory ({status.name}): was it "
            "freed, or is it another process's?"
        )
    if not int(context):  # memory of a pool belongs to a GPU and to no context
        index = checked(
            "finding the frame's GPU", driver.cuPointerGetAttribute(which.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address)
        )
        gpu = Device(int(index))
        try:
            with gpu:
                yield
        finally:
            gpu.close()
        return
    checked("entering the frame's CUDA context", driver.cuCtxPushCurrent(context))
    try:
        yield
    finally:
        driver.cuCtxPopCurrent()
