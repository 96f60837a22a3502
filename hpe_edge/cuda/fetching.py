"""Copying somebody else's GPU memory to the host, in the order of their work and in their context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.cuda.calls import checked, load
from hpe_edge.cuda.device import Device
from hpe_edge.errors import BackendError, InputError

LEGACY_STREAM = 1  # the default stream, which waits for all streams that do not opt out of it


def fetch(array: NDArray[np.uint8], address: int, stream: int | None) -> None:
    """Fill an array from GPU memory and wait until that is done.

    Args:
        array: C-contiguous, on the host.
        address: where as many bytes lie on a GPU.
        stream: on which they were written, as CUDA's array interface counts: 1 and 2 for the default streams, else the
            handle. None where nobody says: then all work in the memory's context is waited for.

    Raises:
        InputError: CUDA knows of no memory there.
        BackendError: no cuda-bindings or no driver, or the copy failed, as it does where earlier work on the GPU did.
    """
    driver = load("driver")
    try:
        checked("starting CUDA", driver.cuInit(0))
    except Exception as error:  # without libcuda cuda-bindings raises; its releases differ in what
        raise BackendError(f"the frame is said to be on a GPU, but CUDA does not start here ({error})") from None
    with _entered(driver, address):
        if stream is None:
            checked("waiting for the frame", driver.cuCtxSynchronize())
            stream = LEGACY_STREAM
        checked("copying the frame", driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, stream))
        checked("copying the frame", driver.cuStreamSynchronize(stream))


@contextlib.contextmanager
def _entered(driver: Any, address: int) -> Iterator[None]:
    """Makes the context that owns the memory current; streams named with it belong there, too."""
    which = driver.CUpointer_attribute
    status, context = driver.cuPointerGetAttribute(which.CU_POINTER_ATTRIBUTE_CONTEXT, address)
    if int(status) != 0:
        raise InputError(
            f"the frame is said to be at {address:#x} of a GPU, where CUDA knows of no memory ({status.name}): was it "
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
