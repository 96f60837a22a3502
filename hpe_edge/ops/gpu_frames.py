"""Zero-copy frames: arrays of other libraries on the engine's GPU, and page-locked host memory of an integrated GPU."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.cuda.device import LEGACY_STREAM, Device
from hpe_edge.cuda.memory import LentPlane
from hpe_edge.errors import HpeEdgeError, InputError
from hpe_edge.ops.frames import DL_CUDA, FrameColor, GpuFrame, Layout, cuda_layout, dlpack_layout, frame_planes

Plane = NDArray[np.uint8]

_SOMEWHERE = 1 << 32  # an address that no check reads


def find_on_gpu(frame: Any, gpu: Device, color: FrameColor) -> GpuFrame | None:
    """Describe a frame that this GPU can read in place; None if it must be copied.

    Args:
        frame: anything; both planes of a pair must be on the GPU.
        gpu: of the engine.
        color: pixel format of the frame.

    Raises:
        InputError: an array of another library that is not uint8 ``[H, W]`` or ``[H, W, C]``, or is not exported by
            its library; or a frame on the GPU that does not fit ``color``.
    """
    if isinstance(frame, (tuple, list)) and len(frame) == 2:
        first, second = _find(frame[0], gpu), _find(frame[1], gpu)
        if first is None or second is None:
            return None
        (luma, owner), (chroma, other) = first, second
        shapes = (luma.shape, luma.strides, chroma.shape, chroma.strides)
        row_stride, _, chroma_row_stride, width, height = _checked_shape(shapes, color)
        fields = (luma.address, chroma.address, row_stride, chroma_row_stride, width, height)
        streams = (*_streams(luma, owner), *_streams(chroma, other))
        return GpuFrame(fields, streams, (frame, owner, other))
    alone = _find(frame, gpu)
    if alone is None:
        return None
    layout, owner = alone
    row_stride, offset, chroma_row_stride, width, height = _checked_shape((layout.shape, layout.strides), color)
    address = layout.address
    chroma_address = address + offset if chroma_row_stride else 0
    fields = (address, chroma_address, row_stride, chroma_row_stride, width, height)
    return GpuFrame(fields, _streams(layout, owner), (frame, owner))


def _streams(layout: Layout, owner: Any) -> tuple[int | None, ...]:
    return () if isinstance(owner, (np.ndarray, LentPlane)) else (layout.stream,)  # nobody writes those any more


@functools.lru_cache(maxsize=256)
def _checked_shape(shapes: tuple[tuple[int, ...], ...], color: FrameColor) -> tuple[int, int, int, int, int]:
    """Check a kind of frame once; its frames differ in their addresses alone.

    Args:
        shapes: shape and strides of each plane.
        color: pixel format.

    Returns:
        Row stride, offset of the UV plane from the Y plane of one array, the UV plane's row stride or 0, width, height.

    Raises:
        InputError: see :func:`hpe_edge.ops.frames.frame_planes`.
    """
    arrays = [
        np.asarray(_Described(Layout(_SOMEWHERE, shape, strides, None)))
        for shape, strides in zip(shapes[::2], shapes[1::2], strict=True)
    ]
    plane, chroma = frame_planes(arrays[0] if len(arrays) == 1 else (arrays[0], arrays[1]), color)
    height, width = plane.shape[:2]
    if chroma is None:
        return plane.strides[0], 0, 0, width, height
    return plane.strides[0], chroma.ctypes.data - plane.ctypes.data, chroma.strides[0], width, height


@contextlib.contextmanager
def blank_frame(gpu: Device, height: int, width: int) -> Iterator[Any]:
    """Lend a frame ``[height, width, 3]`` of undefined content in the GPU's memory, to warm up with; enters the GPU.

    Raises:
        BackendError: out of GPU memory.
    """
    with gpu, contextlib.ExitStack() as cleanup:
        yield LentPlane(gpu, gpu.memory(height * width * 3, cleanup), (height, width, 3), 3 * width)


class _Described:
    """NumPy's array interface to device memory: shape, strides and address, never read."""

    def __init__(self, layout: Layout) -> None:
        self.__array_interface__ = {
            "shape": layout.shape,
            "typestr": "|u1",
            "data": (layout.address, True),
            "strides": layout.strides,
            "version": 3,
        }


def _find(plane: Any, gpu: Device) -> tuple[Layout, Any] | None:
    try:
        if isinstance(plane, np.ndarray):
            return _shared(plane, gpu)
        if isinstance(plane, LentPlane):  # CUDA tells nothing of the memory of an EGLImage
            layout = cuda_layout(plane.__cuda_array_interface__)
            return (layout, plane) if (plane.gpu.index, plane.gpu.context) == (gpu.index, gpu.context) else None
        # First, because only there torch names its stream.
        if hasattr(plane, "__dlpack__") and hasattr(plane, "__dlpack_device__"):
            return _lent(plane, gpu)
        if hasattr(plane, "__cuda_array_interface__"):
            layout = cuda_layout(plane.__cuda_array_interface__)
            return (layout, plane) if gpu.owns(layout.address) else None
    except HpeEdgeError:
        raise
    except Exception as error:  # the other library may raise anything
        raise InputError(
            f"the frame, a {type(plane).__name__}, cannot be read from its library ({error}); pass a plain array of it"
        ) from None
    return None


def _shared(plane: Plane, gpu: Device) -> tuple[Layout, Any] | None:
    """Describe page-locked host memory that an integrated GPU reads in place."""
    if not gpu.integrated or plane.dtype != np.uint8 or plane.ndim not in (2, 3):
        return None
    address = gpu.address_of(plane.ctypes.data)
    return None if address is None else (Layout(address, plane.shape, plane.strides, None), plane)


def _lent(plane: Any, gpu: Device) -> tuple[Layout, Any] | None:
    if tuple(map(int, plane.__dlpack_device__())) != (DL_CUDA, gpu.index):
        return None
    # The owner makes that stream wait for its work. The capsule keeps the memory.
    capsule = plane.__dlpack__(stream=LEGACY_STREAM)
    layout = dlpack_layout(capsule, LEGACY_STREAM)
    return (layout, capsule) if gpu.owns(layout.address) else None
