"""An array that the host and a GPU both have."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from numpy.typing import DTypeLike

from hpe_edge.cuda.device import Device


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
            BackendError: there is not so much memory left.
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
