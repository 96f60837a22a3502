"""Calls of cuda-bindings, NVIDIA's own binding (wheels for x86_64 and aarch64): no status goes unread.

It is imported only here, when a GPU is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from hpe_edge.errors import BackendError

_MEMORY = ("CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation")


def load(part: str) -> Any:
    """``cuda.bindings.driver`` or ``cuda.bindings.runtime``.

    Raises:
        BackendError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(f"cuda.bindings.{part}")
    except (ImportError, OSError) as error:
        raise BackendError(
            f"running on an NVIDIA GPU needs cuda-bindings, which cannot be imported here ({error}): run `pip install "
            "'cuda-bindings==12.*'`, with the CUDA version that nvidia-smi shows in place of 12"
        ) from None


def checked(doing: str, result: tuple[Any, ...]) -> Any:
    """The value in what a call gives.

    Args:
        doing: what the call was for, for messages.
        result: the status, and values.

    Raises:
        BackendError: the status is not good.
    """
    status, *values = result
    if int(status) == 0:
        return values[0] if values else None
    if status.name in _MEMORY:
        raise BackendError(
            f"{doing} failed, it has no more ({status.name}); close other programs on the GPU, or build the engine for "
            "smaller batches"
        )
    raise BackendError(f"{doing} failed with {status.name}")
