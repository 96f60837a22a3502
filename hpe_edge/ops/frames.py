"""Checks of frames and boxes for the native operations, once per call of a public function.

Frames may also come from other libraries: arrays on a GPU (PyCUDA, CuPy, torch, Numba) and DLPack tensors of any
library. If the crop runs on the CPU, frames on a GPU are copied to the host here, synchronised as
:func:`hpe_edge.cuda.memory.fetch` describes. An engine on the same GPU reads them in place:
:mod:`hpe_edge.ops.gpu_frames`. DLPack tensors on the CPU are read in place.

Sources: CUDA array interface, version 3 (Numba's manual); DLPack's Python specification (Python array API standard)
and dlpack.h.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import HpeEdgeError, InputError
from hpe_edge.ops.native import native

FrameColor = Literal["BGR", "RGB", "BGRA", "RGBA", "GRAY8", "NV12", "NV12_601_FULL", "NV12_709", "NV12_709_FULL"]
"""Pixel format of a frame.

``BGRA`` and ``RGBA`` have a fourth byte that is ignored, so they are BGRx and RGBx too. ``NV12`` is BT.601 in limited
range, OpenCV's; the others are named by their matrix, and ``FULL`` is full range. Decoders of HD video give BT.709 in
limited range, most cameras on USB BT.601 in full range.
"""

CHANNELS: dict[FrameColor, int] = {"BGR": 3, "RGB": 3, "BGRA": 4, "RGBA": 4}  # bytes of a pixel

MAX_COORDINATE = 1e6  # pixels; a box beyond it is a mistake, and sampling a window that wide would take seconds
MAX_FRAME_SIDE = 1 << 16

_UINT8 = np.dtype(np.uint8)
_NV12 = frozenset(color for color in get_args(FrameColor) if color.startswith("NV12"))

# DLDeviceType in dlpack.h. Pinned memory is the host's, but its owner may still be writing it on a stream.
_DL_CPU = 1
DL_CUDA = 2
_DL_OF_CUDA = {DL_CUDA: "CUDA", 3: "pinned CUDA", 13: "managed CUDA"}
_DL_UNSIGNED_BYTE = (1, 8, 1)  # code, bits, lanes


class CudaArray(Protocol):
    """Array that exports CUDA's array interface."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


class DlpackArray(Protocol):
    """Array that exports DLPack."""

    def __dlpack__(self, *, stream: Any = ...) -> Any: ...

    def __dlpack_device__(self) -> tuple[int, int]: ...


# An NV12 frame as two planes: Y [H, W] and interleaved UV [H/2, W/2, 2].
Planes = tuple[NDArray[np.uint8], NDArray[np.uint8]]

# A checked frame: its only plane and None, or Y and UV, both [.., W] with packed rows.
CheckedPlanes = tuple[NDArray[np.uint8], NDArray[np.uint8] | None]

# Accepted as a frame, or as one of two planes.
AnyPlane = NDArray[np.uint8] | CudaArray | DlpackArray
AnyFrame = AnyPlane | tuple[AnyPlane, AnyPlane]


def check_frame(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Check a frame: uint8 ``[H, W, 3]`` with packed rows.

    Raises:
        InputError: it is another one; the message names the reason.
    """
    return frame_planes(frame, "BGR")[0]


def check_boxes(boxes: ArrayLike) -> NDArray[np.float32]:
    """Check boxes; return float32 ``[N, 4]``, C-contiguous. An empty list is N = 0.

    Raises:
        InputError: not ``[N, 4]`` numbers, or a box that is not finite, has no area or lies beyond a million pixels.
    """
    try:
        array = np.ascontiguousarray(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"boxes must be [N, 4] numbers x1 y1 x2 y2 in pixels, got {brief(boxes)} ({error})") from None
    if array.ndim == 1 and array.size == 0:
        return array.reshape(0, 4)
    if not array.flags.aligned:  # a field of a packed record
        array = array.copy()
    if array.ndim != 2 or array.shape[1] != 4:
        hint = "; put a single box into a list" if array.shape == (4,) else ""
        raise InputError(f"boxes must be [N, 4] numbers x1 y1 x2 y2 in pixels, got shape {array.shape}{hint}")
    bad = native.first_bad_box(array, MAX_COORDINATE)
    if bad >= 0:
        raise InputError(
            f"box {bad} must be finite, within {MAX_COORDINATE:.0f} pixels and have x1 < x2 and y1 < y2 "
            f"(x1 y1 x2 y2, not x y width height), got {array[bad].tolist()}"
        )
    return array


def frame_planes(given: AnyFrame, color: FrameColor) -> CheckedPlanes:
    """Check a frame; return its planes on the host: one array, or two for NV12.

    Raises:
        InputError: an invalid frame, or an unknown ``color``; the message names it.
        BackendError: it is on a GPU and cannot be fetched.
    """
    frame: Any = host_frame(given)
    if (channels := CHANNELS.get(color)) is not None:
        if not isinstance(frame, np.ndarray) or frame.dtype != _UINT8 or frame.ndim != 3 or frame.shape[2] != channels:
            raise InputError(_frame_message(frame, f"uint8 [H, W, {channels}] for color={color!r}"))
        _check_sides(frame)
        if frame.strides[1:] != (channels, 1) and not _is_packed(frame):
            raise InputError("the frame's pixels must be packed within a row; pass np.ascontiguousarray(frame)")
        return frame, None
    if color == "GRAY8":
        return _check_plane(frame, "uint8 [H, W] for color='GRAY8'"), None
    if color in _NV12:
        return _nv12_planes(frame)
    raise InputError(f"color must be one of {', '.join(get_args(FrameColor))}, got {color!r}")


def _nv12_planes(frame: NDArray[np.uint8] | Planes) -> Planes:
    if isinstance(frame, (tuple, list)):
        if len(frame) != 2:
            raise InputError(f"an NV12 frame in planes is a pair (Y, UV), got {len(frame)} planes")
        luma, chroma = frame
    else:
        whole = _check_plane(frame, "uint8 [H * 3 / 2, W] or a pair of planes (Y, UV) for color='NV12'")
        if whole.shape[0] % 3:
            raise InputError(f"an NV12 frame has H * 3 / 2 rows, got {whole.shape[0]}, which is not a multiple of 3")
        height = whole.shape[0] // 3 * 2
        luma, chroma = whole[:height], whole[height:]
    _check_plane(luma, "a Y plane uint8 [H, W] for color='NV12'")
    height, width = luma.shape
    if height % 2 or width % 2:
        raise InputError(f"an NV12 frame has even sides, got {width} x {height}")
    if isinstance(chroma, np.ndarray) and chroma.ndim == 3 and chroma.shape[2:] == (2,) and chroma.size:
        if not _is_packed(chroma):
            raise InputError("the UV plane's samples must be packed within a row; pass np.ascontiguousarray of it")
        chroma = np.lib.stride_tricks.as_strided(
            chroma, (chroma.shape[0], 2 * chroma.shape[1]), (chroma.strides[0], 1), writeable=False
        )
    _check_plane(chroma, "a UV plane uint8 [H / 2, W / 2, 2] for color='NV12'")
    if chroma.shape != (height // 2, width):
        raise InputError(
            f"the UV plane must be [{height // 2}, {width // 2}, 2], got {chroma.shape} (U and V in a row)"
        )
    return luma, chroma


def _check_plane(plane: Any, what: str) -> NDArray[np.uint8]:
    if not isinstance(plane, np.ndarray) or plane.dtype != _UINT8 or plane.ndim != 2:
        raise InputError(_frame_message(plane, what))
    if plane.size and plane.strides[1] != 1 and not _is_packed(plane):
        raise InputError("the frame's pixels must be packed within a row; pass np.ascontiguousarray(frame)")
    _check_sides(plane)
    return plane


def _is_packed(rows: NDArray[np.uint8]) -> bool:
    """Return True if the values of each row are contiguous; strides of axes of length 1 are arbitrary."""
    return bool(rows[0].flags.c_contiguous)


def _check_sides(frame: NDArray[np.uint8]) -> None:
    if not (0 < frame.shape[0] <= MAX_FRAME_SIDE and 0 < frame.shape[1] <= MAX_FRAME_SIDE):
        raise InputError(f"the frame must be 1..{MAX_FRAME_SIDE} pixels on each side, got shape {frame.shape}")


def _frame_message(frame: Any, what: str) -> str:
    hint = ""
    if isinstance(frame, np.ndarray) and frame.dtype in (np.uint16, np.int16):
        hint = "; 10 to 16 bits become 8 by their real range in hpe_edge.sources.deep_levels.to_8_bits(frame)[0]"
    elif isinstance(frame, np.ndarray) and frame.dtype != _UINT8:
        hint = "; pass the camera frame before normalising"
    elif isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.shape[2] == 4:
        hint = "; a frame of four bytes a pixel needs color='BGRA' or 'RGBA'"
    elif isinstance(frame, np.ndarray) and frame.ndim == 2:
        hint = "; a grey frame needs color='GRAY8'"
    elif frame is None:
        hint = "; the picture could not be read, or the camera gave no frame"
    return f"the frame must be {what}, got {brief(frame)}{hint}"


def brief(value: Any) -> str:
    """Describe a value in a message: dtype and shape of an array, else the type."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__


class Layout(NamedTuple):
    """Strided bytes on a GPU: strides in bytes, ``stream`` as in :func:`hpe_edge.cuda.memory.fetch`."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    stream: int | None


class GpuFrame(NamedTuple):
    """A frame in memory that a GPU reads.

    Attributes:
        fields: addresses of the plane and of the UV plane, or 0, their row strides in bytes, width and height: the
            first fields of a face's record.
        streams: the writing streams, see :class:`Layout`; none for host memory.
        owners: objects that keep the memory alive.
    """

    fields: tuple[int, int, int, int, int, int]
    streams: tuple[int | None, ...]
    owners: tuple[Any, ...]


def host_frame(frame: Any) -> Any:
    """Convert a frame of another library to a NumPy array; return anything else unchanged and unchecked.

    Args:
        frame: anything; both planes of a pair are converted.

    Raises:
        InputError: an array of another library that is not uint8 ``[H, W]`` or ``[H, W, C]``, is on a device that
            cannot be read, or is not exported by its library.
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
    except Exception as error:  # the other library may raise anything
        raise InputError(
            f"the frame, a {type(frame).__name__}, cannot be read from its library ({error}); pass a plain array of it"
        ) from None
    return frame


def cuda_layout(interface: dict[str, Any]) -> Layout:
    """Read CUDA's array interface.

    Raises:
        InputError: not uint8 ``[H, W]`` or ``[H, W, C]``, masked, or on stream 0.
    """
    strides = interface.get("strides")
    shape, strides = _byte_layout(interface["typestr"], tuple(interface["shape"]), tuple(strides or ()))
    if interface.get("mask") is not None:
        raise InputError("the frame is masked, and its masked pixels are unknown; pass it without a mask")
    # Before version 3 the writing stream is unknown. From then on None means that no wait is needed, but PyCUDA always
    # gives None, so all streams are waited for.
    stream = interface.get("stream")
    if stream == 0:
        raise InputError("the frame names stream 0, which CUDA's array interface forbids: 1 or 2 is a default stream")
    return Layout(int(interface["data"][0]), shape, strides, stream)


@functools.lru_cache(maxsize=256)
def _byte_layout(
    typestr: str, shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Check what the frames of a source share; return shape and strides, those of packed bytes where none are given."""
    shape = tuple(map(int, shape))
    _check_bytes(np.dtype(typestr).name, shape)
    return shape, tuple(map(int, strides)) or _packed(shape)


def _from_dlpack(frame: Any) -> NDArray[np.uint8]:
    kind = int(frame.__dlpack_device__()[0])
    if kind == _DL_CPU:
        taken: NDArray[Any] = np.from_dlpack(frame)
        _check_bytes(taken.dtype.name, taken.shape)
        return taken
    if kind not in _DL_OF_CUDA:
        known = ", ".join(_DL_OF_CUDA.values())
        raise InputError(f"the frame is on a device of DLPack's kind {kind}; the CPU, {known} can be read")
    from hpe_edge.cuda.device import LEGACY_STREAM

    # The owner makes that stream wait for its work. The capsule keeps the memory until the copy is done.
    capsule = frame.__dlpack__(stream=LEGACY_STREAM)
    return _fetched(dlpack_layout(capsule, LEGACY_STREAM))


class _DLTensor(ctypes.Structure):
    """DLTensor of dlpack.h, the first member of a DLManagedTensor."""

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
    """Read the DLManagedTensor of a DLPack capsule; ``stream`` is the one that its owner synchronised.

    Raises:
        InputError: not uint8 ``[H, W]`` or ``[H, W, C]``.
    """
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
    """Copy an array of any strides to the host, its whole span in one transfer."""
    if 0 in layout.shape:
        return np.empty(layout.shape, np.uint8)
    from hpe_edge.cuda.memory import fetch

    reach = [(side - 1) * stride for side, stride in zip(layout.shape, layout.strides, strict=True)]
    before, after = -sum(min(0, step) for step in reach), sum(max(0, step) for step in reach)
    span = np.empty(before + after + 1, np.uint8)
    fetch(span, layout.address - before, layout.stream)
    view = np.lib.stride_tricks.as_strided(span[before:], layout.shape, layout.strides, writeable=False)
    return view if view[0].flags.c_contiguous else np.ascontiguousarray(view)  # packed rows
