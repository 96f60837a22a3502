"""NvBufSurface, the buffers of NVMM memory, by the structures and functions of JetPack's ``libnvbufsurface``.

Only what is read or written here has a name. Source: ``nvbufsurface.h`` of the Jetson Multimedia API, JetPack 5 and 6.
"""

from __future__ import annotations

import ctypes
from typing import Any

from hpe_edge.errors import BackendError, InputError
from hpe_edge.ops.frames import FrameColor

_NAMES = ("libnvbufsurface.so.1.0.0", "libnvbufsurface.so")
_PLANES, _PADDING = 4, 4
_PER_PLANE = ctypes.c_uint32 * _PLANES

# NvBufSurfaceColorFormat; ER is its word for full range.
COLORS: dict[int, FrameColor] = {
    1: "GRAY8",
    6: "NV12",
    7: "NV12_601_FULL",
    19: "RGBA",
    20: "BGRA",
    23: "RGBA",  # RGBx
    24: "BGRA",  # BGRx
    27: "RGB",
    28: "BGR",
    33: "NV12_709",
    34: "NV12_709_FULL",
}


class PlaneParams(ctypes.Structure):
    """NvBufSurfacePlaneParams."""

    _fields_ = (
        ("num_planes", ctypes.c_uint32),
        ("width", _PER_PLANE),
        ("height", _PER_PLANE),
        ("pitch", _PER_PLANE),
        ("offset", _PER_PLANE),
        ("psize", _PER_PLANE),
        ("bytes_per_pixel", _PER_PLANE),
        ("reserved", ctypes.c_void_p * (_PADDING * _PLANES)),
    )


class MappedAddress(ctypes.Structure):
    """NvBufSurfaceMappedAddr."""

    _fields_ = (
        ("addresses", ctypes.c_void_p * _PLANES),
        ("egl_image", ctypes.c_void_p),
        ("reserved", ctypes.c_void_p * _PADDING),
    )


class SurfaceParams(ctypes.Structure):
    """NvBufSurfaceParams: one buffer of a batch."""

    _fields_ = (
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("pitch", ctypes.c_uint32),
        ("color_format", ctypes.c_int),
        ("layout", ctypes.c_int),
        ("descriptor", ctypes.c_uint64),
        ("data_size", ctypes.c_uint32),
        ("data", ctypes.c_void_p),
        ("planes", PlaneParams),
        ("mapped", MappedAddress),
        ("extended", ctypes.c_void_p),
        ("reserved", ctypes.c_void_p * (_PADDING - 1)),
    )


class Surface(ctypes.Structure):
    """NvBufSurface: a batch of buffers."""

    _fields_ = (
        ("gpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
        ("filled", ctypes.c_uint32),
        ("is_contiguous", ctypes.c_bool),
        ("memory_type", ctypes.c_int),
        ("buffers", ctypes.POINTER(SurfaceParams)),
        ("reserved", ctypes.c_void_p * _PADDING),
    )


def load_library() -> Any:
    """Load JetPack's library.

    Raises:
        BackendError: it is not here.
    """
    reasons = []
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            reasons.append(str(error))
    raise BackendError(
        f"NVMM surfaces need JetPack's libnvbufsurface, which cannot be loaded ({'; '.join(reasons)}); they exist on a "
        "Jetson alone, in a container with the NVIDIA runtime"
    )


def surface_at(surface: int | bytes | bytearray | memoryview) -> Surface:
    """Read a surface from its address, or from the bytes that a mapped GStreamer buffer of NVMM memory holds.

    Raises:
        InputError: no address, or too few bytes.
    """
    if isinstance(surface, int):
        if surface <= 0:
            raise InputError(f"the surface must be the address of an NvBufSurface, got {surface}")
        return Surface.from_address(surface)
    content = bytes(surface)
    if len(content) < ctypes.sizeof(Surface):
        raise InputError(
            f"an NvBufSurface has {ctypes.sizeof(Surface)} bytes, got {len(content)}; is the buffer in memory:NVMM?"
        )
    return Surface.from_buffer_copy(content)
