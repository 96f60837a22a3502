"""Frames of other libraries: arrays on a GPU (PyCUDA, CuPy, torch, Numba) and DLPack tensors of any library.

Where the crop runs on the CPU, a frame on a GPU is copied to the host here, as it is: see
:func:`hpe_edge.cuda.fetching.fetch` for the order in which that happens. An engine on the same GPU reads it where
it lies: :mod:`hpe_edge.ops.gpu_frames`. DLPack tensors on the CPU are taken
where they lie.

Sources: CUDA array interface, version 3 (Numba's manual); DLPack's Python specification (Python array API standard)
and dlpack.h.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import HpeEdgeError, InputError

# DLDeviceType in dlpack.h. Pinned memory is the host's, but its owner may still be writing it on a stream.
_DL_CPU = 1
DL_CUDA = 2
_DL_OF_CUDA = {DL_CUDA: "CUDA", 3: "pinned CUDA", 13: "managed CUDA"}
_DL_UNSIGNED_BYTE = (1, 8, 1)  # code, bits, lanes


class CudaArray(Protocol):
    """What exports CUDA's array interface."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


class DlpackArray(Protocol):
    """What exports DLPack."""

    def __dlpack__(self, *, stream: Any = ...) -> Any: ...

    def __dlpack_device__(self) -> tuple[int, int]: ...


class Layout(NamedTuple):
    """A strided array of bytes on a GPU; strides in bytes, ``stream`` as :func:`fetch` takes it."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    stream: int | None


def host_frame(frame: Any) -> Any:
    """The frame as a NumPy array where it is another library's; else as it was given, for the caller to judge.

    Args:
        frame: anything; of a pair of planes each one is looked at.

    Raises:
        InputError: an array of another library that is no uint8 ``[H, W]`` or ``[H, W, C]``, on a device that cannot
            be read, or that its library does not give away.
        BackendError: it is on a GPU, and cuda-bindings is missing or the copy failed.
    """
    if isinstance(frame, np.ndarray):
        return frame
    if isinstance(frame, (tuple, list)) and len(frame) == 2:
        return tuple(map(host_frame, frame))
    try:
        if hasattr(frame, "__cuda_array_interface__"):
            return _fetched(cuda_layout(frame.__cuda_array_interface__))
        if hasattr(frame, "__dlpack__") and hasattr(frame, "__dlpack_device__"):
            return _from_dlpack(frame)
    except HpeEdgeError:
        raise
    except Exception as error:  # whatever the other library raises
        raise InputError(
            f"the frame, a {type(frame).__name__}, cannot be read from its library ({error}); pass a plain array of it"
        ) from None
    return frame


def cuda_layout(said: dict[str, Any]) -> Layout:
    shape = tuple(int(side) for side in said["shape"])
    _check_bytes(np.dtype(said["typestr"]).name, shape)
    if said.get("mask") is not None:
        raise InputError("the frame is masked, and what is under the mask is unknown; pass it without a mask")
    strides = said.get("strides") or _packed(shape)
    # Before version 3 nobody says which stream wrote the array. From then on None means that no waiting is needed, but
    # PyCUDA says None whatever its streams do: so all are waited for.
    stream = said.get("stream")
    if stream == 0:
        raise InputError("the frame names stream 0, which CUDA's array interface forbids: 1 or 2 is a default stream")
    return Layout(int(said["data"][0]), shape, tuple(strides), stream)


def _from_dlpack(frame: Any) -> NDArray[np.uint8]:
    kind = int(frame.__dlpack_device__()[0])
    if kind == _DL_CPU:
        taken: NDArray[Any] = np.from_dlpack(frame)
        _check_bytes(taken.dtype.name, taken.shape)
        return taken
    if kind not in _DL_OF_CUDA:
        known = ", ".join(_DL_OF_CUDA.values())
        raise InputError(f"the frame is on a device of DLPack's kind {kind}; the CPU, {known} can be read")
    from hpe_edge.cuda.fetching import LEGACY_STREAM

    # The owner makes that stream wait for its work. The capsule owns the memory until the copy is done.
    capsule = frame.__dlpack__(stream=LEGACY_STREAM)
    return _fetched(dlpack_layout(capsule, LEGACY_STREAM))


class _DLTensor(ctypes.Structure):
    """DLTensor in dlpack.h, which a DLManagedTensor begins with."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


def dlpack_layout(capsule: Any, stream: int) -> Layout:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    tensor = _DLTensor.from_address(pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[: tensor.ndim])
    kind = (tensor.code, tensor.bits, tensor.lanes)
    _check_bytes("uint8" if kind == _DL_UNSIGNED_BYTE else f"DLPack's type {kind}", shape)
    strides = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else _packed(shape)
    return Layout((tensor.data or 0) + tensor.byte_offset, shape, strides, stream)


def _check_bytes(dtype: str, shape: tuple[int, ...]) -> None:
    if dtype != "uint8" or len(shape) not in (2, 3):
        raise InputError(
            f"the frame must be uint8 [H, W, 3], or [H, W] for color='GRAY8' or 'NV12', got {dtype} {shape}; pass the "
            "camera frame before normalising"
        )


def _packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _fetched(layout: Layout) -> NDArray[np.uint8]:
    """The array on the host: the memory that it spans is copied in one piece, whatever its strides."""
    if 0 in layout.shape:
        return np.empty(layout.shape, np.uint8)
    from hpe_edge.cuda.fetching import fetch

    reach = [(side - 1) * stride for side, stride in zip(layout.shape, layout.strides, strict=True)]
    before, after = -sum(min(0, step) for step in reach), sum(max(0, step) for step in reach)
    span = np.empty(before + after + 1, np.uint8)
    fetch(span, layout.address - before, layout.stream)
    view = np.lib.stride_tricks.as_strided(span[before:], layout.shape, layout.strides, writeable=False)
    return view if view[0].flags.c_contiguous else np.ascontiguousarray(view)  # pixels of a row side by side
