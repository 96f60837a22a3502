"""Zero-copy frames: arrays of other libraries on the engine's GPU, and page-locked host memory of an integrated GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.cuda.device import LEGACY_STREAM, Device
from hpe_edge.errors import HpeEdgeError, InputError
from hpe_edge.ops.frames import DL_CUDA, Layout, cuda_layout, dlpack_layout

Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class GpuFrame:
    """A frame in memory that a GPU reads.

    Attributes:
        planes: one array or a pair, as for :func:`hpe_edge.ops.frames.frame_planes`. Shapes, strides and addresses are
            valid, but the host must not read them.
        streams: the writing streams, see :class:`hpe_edge.ops.frames.Layout`; none for host memory.
        owners: objects that keep the memory alive.
    """

    planes: Plane | tuple[Plane, Plane]
    streams: tuple[int | None, ...]
    owners: tuple[Any, ...]

    def wait(self, gpu: Device, stream: Any, event: Any) -> None:
        """Make a stream wait for the work that writes the frame; the GPU is entered."""
        for other in set(self.streams):
            if other is None:  # the writing stream is not known
                gpu.wait_for_all()
            else:
                gpu.wait_for(other, event, stream)


def find_on_gpu(frame: Any, gpu: Device) -> GpuFrame | None:
    """Describe a frame that this GPU can read in place; None if it must be copied.

    Args:
        frame: anything; both planes of a pair must be on the GPU.
        gpu: of the engine.

    Raises:
        InputError: an array of another library that is not uint8 ``[H, W]`` or ``[H, W, C]``, or is not exported by
            its library.
    """
    planes = frame if isinstance(frame, (tuple, list)) and len(frame) == 2 else (frame,)
    found = [_find(plane, gpu) for plane in planes]
    there = [each for each in found if each is not None]
    if len(there) < len(found):
        return None
    arrays = [np.asarray(_Described(layout)) for layout, _ in there]
    return GpuFrame(
        arrays[0] if len(arrays) == 1 else (arrays[0], arrays[1]),
        tuple(layout.stream for layout, owner in there if not isinstance(owner, np.ndarray)),
        (frame, *(owner for _, owner in there)),
    )


@contextlib.contextmanager
def blank_frame(gpu: Device, height: int, width: int) -> Iterator[Any]:
    """Lend a frame ``[height, width, 3]`` of undefined content in the GPU's memory, to warm up with; enters the GPU.

    Raises:
        BackendError: out of GPU memory.
    """
    with gpu, contextlib.ExitStack() as cleanup:
        yield _Blank(gpu.memory(height * width * 3, cleanup), height, width)


class _Blank:
    """CUDA's array interface to uint8 memory that nobody writes."""

    def __init__(self, address: int, height: int, width: int) -> None:
        self.__cuda_array_interface__ = {
            "shape": (height, width, 3),
            "typestr": "|u1",
            "data": (address, False),
            "stream": LEGACY_STREAM,
            "version": 3,
        }


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
