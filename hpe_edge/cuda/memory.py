"""Buffers that the host and a GPU share, and copies from GPU memory of other libraries to the host."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hpe_edge.cuda.device import LEGACY_STREAM, Device, checked, load
from hpe_edge.errors import BackendError, InputError


class Buffer:
    """Page-locked memory of the host and its counterpart on the GPU, rows of which are sent either way.

    On a GPU that shares the host's memory both are the same, and sending costs nothing.

    Attributes:
        array: on the host; zeroed.
        address: on the GPU.
        columns: values in a row.
    """

    def __init__(self, gpu: Device, shape: tuple[int, ...], dtype: DTypeLike, cleanup: contextlib.ExitStack) -> None:
        """
        Args:
            gpu: entered by the caller.
            shape, dtype: of the array; the first axis counts rows.
            cleanup: frees both.

        Raises:
            BackendError: out of memory.
        """
        self._gpu = gpu
        self.array = gpu.pinned(shape, dtype, cleanup)
        shared = gpu.address_of(self.array.ctypes.data) if gpu.integrated else None
        self._shared = shared is not None
        self.columns = math.prod(shape[1:])
        self.address = gpu.memory(self.array.nbytes, cleanup) if shared is None else shared

    def send(self, rows: int, stream: Any) -> None:
        """Enqueue that the GPU gets the first rows."""
        if not self._shared:
            self._gpu.copy_in(self.address, self.array[:rows], stream)

    def receive(self, rows: int, stream: Any) -> None:
        """Enqueue that the host gets the first rows."""
        if not self._shared:
            self._gpu.copy_out(self.array[:rows], self.address, stream)


def fetch(array: NDArray[np.uint8], address: int, stream: int | None) -> None:
    """Fill an array from GPU memory, in the order of its owner's work and in its context, and wait for that.

    Args:
        array: C-contiguous, on the host.
        address: of as many bytes on a GPU.
        stream: on which they were written, as CUDA's array interface counts: 1 and 2 for the default streams, else the
            handle. None where it is not known: all work in the memory's context is waited for.

    Raises:
        InputError: CUDA knows of no memory there.
        BackendError: no cuda-bindings or no driver, or the copy failed, as it does where earlier work on the GPU did.
    """
    driver = load("driver")
    try:
        checked("starting CUDA", driver.cuInit(0))
    except Exception as error:  # without libcuda cuda-bindings raises; its releases differ in what
        raise BackendError(f"the frame claims to be on a GPU, but CUDA does not start here ({error})") from None
    with _entered(driver, address):
        if stream is None:
            checked("waiting for the frame", driver.cuCtxSynchronize())
            stream = LEGACY_STREAM
        checked("copying the frame", driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, stream))
        checked("copying the frame", driver.cuStreamSynchronize(stream))


@contextlib.contextmanager
def _entered(driver: Any, address: int) -> Iterator[None]:
    """Make the context that owns the memory current; the streams named with it belong to it."""
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
