"""Test doubles of a Jetson's libraries: jetson-utils' images, and NvBufSurface with EGLImages that CUDA registers.

They hold their callers to the rules: an image is mapped before it is registered and unmapped after it is unregistered,
each once; memory can be read in between alone; all calls of CUDA need a current context.
"""

from __future__ import annotations

import ctypes
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
from fake_cuda import Handle
from fake_cuda_frames import FrameCuda, Result

from hpe_edge.jetson.nvbufsurface import Surface, SurfaceParams

PITCH, ARRAY = 1, 0


class CudaImage:
    """A ``jetson_utils.cudaImage``, with the array interface that it really has: three axes, whatever the format."""

    def __init__(self, cuda: FrameCuda, content: np.ndarray, width: int, height: int, format: str) -> None:
        self.ptr = cuda.place(content)
        self.width, self.height, self.format = width, height, format
        self.channels = {"gray8": 1, "rgba8": 4, "bgra8": 4}.get(format, 3)
        self.shape = (height, width, self.channels)
        self.size, self.mapped, self.timestamp = content.nbytes, False, 0
        self.__cuda_array_interface__ = {
            "shape": self.shape,
            "typestr": "<f4" if format.endswith("32f") else "<u1",
            "data": (self.ptr, False),
            "version": 3,
        }


class FakeNvBuf:
    """``libnvbufsurface``, and the driver's calls for EGLImages, which it adds to the double of CUDA.

    Attributes:
        failing: functions that fail.
        frame_type: of mapped frames, PITCH or ARRAY for block-linear ones.
        mapped: EGLImages that are mapped, with surface and index.
        registered: resources of CUDA, with their EGLImages.
    """

    def __init__(self, cuda: FrameCuda) -> None:
        self._cuda = cuda
        self.failing: set[str] = set()
        self.frame_type = PITCH
        self.mapped: dict[int, tuple[int, int]] = {}
        self.registered: dict[int, int] = {}
        self._surfaces: dict[int, tuple[Surface, Any, list[np.ndarray]]] = {}
        self._dmabufs: dict[int, int] = {}
        vars(cuda.driver).update(self._driver_calls())

    def surface(self, planes: Sequence[np.ndarray], color_format: int, pitch: int) -> int:
        """Address of a surface with one buffer whose planes, ``[H, W]`` or ``[H, W, C]``, have rows of this pitch."""
        buffers = (SurfaceParams * 1)()
        buffer = buffers[0]
        buffer.height, buffer.width = planes[0].shape[:2]
        buffer.color_format, buffer.pitch = color_format, pitch
        buffer.planes.num_planes = len(planes)
        memory = []
        for i, plane in enumerate(planes):
            rows = plane.reshape(len(plane), -1)
            padded = np.full((len(rows), pitch), 0xEE, np.uint8)
            padded[:, : rows.shape[1]] = rows
            memory.append(padded)
            buffer.planes.height[i], buffer.planes.width[i], buffer.planes.pitch[i] = *plane.shape[:2], pitch
        surface = Surface(batch_size=1, filled=1, memory_type=4, buffers=buffers)
        address = ctypes.addressof(surface)
        self._surfaces[address] = (surface, buffers, memory)
        return address

    def dmabuf(self, surface: int) -> int:
        """A file descriptor of a surface."""
        descriptor = 40 + len(self._dmabufs)
        self._dmabufs[descriptor] = surface
        return descriptor

    def NvBufSurfaceFromFd(self, dmabuf_fd: Any, buffer: Any) -> int:
        surface = self._dmabufs.get(dmabuf_fd.value)
        if surface is None:
            return -1
        buffer._obj.value = surface
        return 0

    def NvBufSurfaceMapEglImage(self, surf: Any, index: Any) -> int:
        if "NvBufSurfaceMapEglImage" in self.failing:
            return -1
        surface, index = surf._obj, index.value
        assert 0 <= index < surface.batch_size
        # A copy of the structure has the same buffers.
        (found,) = [
            address
            for address, (_, buffers, _) in self._surfaces.items()
            if ctypes.addressof(buffers) == ctypes.addressof(surface.buffers.contents)
        ]
        assert not surface.buffers[index].mapped.egl_image, "mapped twice"
        image = int(self._cuda._handle())
        surface.buffers[index].mapped.egl_image = image
        self.mapped[image] = (found, index)
        return 0

    def NvBufSurfaceUnMapEglImage(self, surf: Any, index: Any) -> int:
        mapped = surf._obj.buffers[index.value].mapped
        assert mapped.egl_image not in self.registered.values(), "unmapped while CUDA may read it"
        del self.mapped[mapped.egl_image]
        mapped.egl_image = None
        return 0

    def _driver_calls(self) -> dict[str, Any]:
        ok, cuda = Result.CUDA_SUCCESS, self._cuda

        def cuGraphicsEGLRegisterImage(image: int, flags: int) -> tuple[Result, Any]:
            cuda._need_context()
            assert flags == 1, "CUDA would be allowed to write"
            if "cuGraphicsEGLRegisterImage" in self.failing:
                return Result.CUDA_ERROR_INVALID_VALUE, None
            assert image in self.mapped, "no EGLImage"
            resource = cuda._handle()
            self.registered[resource] = image
            for plane in self._memory(image):
                cuda.lend(plane.ctypes.data, plane.nbytes)
            return ok, resource

        def cuGraphicsResourceGetMappedEglFrame(resource: Handle, index: int, mipLevel: int) -> tuple[Result, Any]:
            cuda._need_context()
            assert (index, mipLevel) == (0, 0)
            surface, at = self.mapped[self.registered[resource]]
            buffer, memory = self._surfaces[surface][1][at], self._memory(self.registered[resource])
            addresses = [plane.ctypes.data for plane in memory] + [0] * (3 - len(memory))
            frame = types.SimpleNamespace(pPitch=addresses, pArray=[None] * 3)
            return ok, types.SimpleNamespace(
                frame=frame,
                width=buffer.width,
                height=buffer.height,
                pitch=buffer.pitch,
                planeCount=len(memory),
                frameType=self.frame_type,
            )

        def cuGraphicsUnregisterResource(resource: Handle) -> tuple[Result]:
            cuda._need_context()
            for plane in self._memory(self.registered.pop(resource)):
                cuda._blocks.pop(plane.ctypes.data)
            return (ok,)

        calls = (cuGraphicsEGLRegisterImage, cuGraphicsResourceGetMappedEglFrame, cuGraphicsUnregisterResource)
        flags = types.SimpleNamespace(CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY=1)
        kinds = types.SimpleNamespace(CU_EGL_FRAME_TYPE_ARRAY=ARRAY, CU_EGL_FRAME_TYPE_PITCH=PITCH)
        return {call.__name__: call for call in calls} | {"CUgraphicsRegisterFlags": flags, "CUeglFrameType": kinds}

    def _memory(self, image: int) -> list[np.ndarray]:
        return self._surfaces[self.mapped[image][0]][2]
