"""Frames in NVMM memory, of cameras and decoders on a Jetson, read by the GPU in place through an EGLImage.

A surface, or the dmabuf of one, is mapped as an EGLImage, which CUDA registers; its planes then have addresses. That
works for surfaces in pitch-linear layout: RGBA and BGRx of ``nvvidconv``, and NV12 with its ``bl-output=false``.

Source: ``nvbufsurface.h`` of the Jetson Multimedia API; CUDA driver API, EGL interoperability.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from hpe_edge.cuda.device import Device, checked, parse_device
from hpe_edge.cuda.memory import LentPlane
from hpe_edge.errors import BackendError, InputError
from hpe_edge.jetson.cuda_image import JetsonFrame
from hpe_edge.jetson.nvbufsurface import COLORS, Surface, load_library, surface_at
from hpe_edge.ops.frames import CHANNELS, AnyFrame, FrameColor


class NvmmFrames:
    """Reader of NVMM surfaces for engines on one GPU.

    >>> with NvmmFrames() as nvmm, nvmm.frame(surface) as (frame, color):
    ...     poses = engine(frame, boxes, color=color)
    """

    def __init__(self, device: str = "cuda") -> None:
        """
        Args:
            device: of the engine.

        Raises:
            BackendError: no GPU, or no libnvbufsurface.
        """
        self._library = load_library()
        self._gpu = Device(parse_device(device))

    def surface_of(self, dmabuf: int) -> int:
        """Return the address of the surface with a dmabuf's file descriptor.

        Raises:
            InputError: it is not the dmabuf of a surface.
        """
        address = ctypes.c_void_p()
        status = self._library.NvBufSurfaceFromFd(ctypes.c_int(dmabuf), ctypes.byref(address))
        if status != 0 or not address.value:
            raise InputError(f"the file descriptor {dmabuf} is not the dmabuf of an NVMM surface (status {status})")
        return address.value

    @contextlib.contextmanager
    def frame(self, surface: int | bytes | bytearray | memoryview, index: int = 0) -> Iterator[JetsonFrame]:
        """Map a buffer of a surface; the frame is valid within the block.

        What writes the buffer must be done, as it is when GStreamer hands it over.

        Args:
            surface: address of an NvBufSurface, or the bytes of a mapped GStreamer buffer.
            index: number of the buffer in its batch.

        Raises:
            InputError: no such buffer, or one of another colour format or layout.
            BackendError: it cannot be mapped.
        """
        read = surface_at(surface)
        if not (0 <= index < read.filled and read.buffers):
            raise InputError(f"the surface holds {read.filled} buffers, there is none with index {index}")
        buffer = read.buffers[index]
        color = COLORS.get(buffer.color_format)
        if color is None:
            raise InputError(
                f"NvBufSurface's color format {buffer.color_format} is not taken; let nvvidconv convert to RGBA or NV12"
            )
        with contextlib.ExitStack() as cleanup:
            self._map(read, index, cleanup)
            mapped = self._register(read.buffers[index].mapped.egl_image, cleanup)
            yield JetsonFrame(self._planes(mapped, buffer, color), color)

    def _map(self, surface: Surface, index: int, cleanup: contextlib.ExitStack) -> None:
        if self._library.NvBufSurfaceMapEglImage(ctypes.byref(surface), ctypes.c_int(index)) != 0:
            raise BackendError(
                "the surface cannot be mapped as an EGLImage; it must be an NVMM surface of a Jetson, not system memory"
            )
        cleanup.callback(self._library.NvBufSurfaceUnMapEglImage, ctypes.byref(surface), ctypes.c_int(index))

    def _register(self, image: int, cleanup: contextlib.ExitStack) -> Any:
        """Register an EGLImage with CUDA; return its CUeglFrame."""
        driver, gpu = self._gpu.driver, self._gpu
        read_only = driver.CUgraphicsRegisterFlags.CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY
        with gpu:
            resource = checked("registering the frame", driver.cuGraphicsEGLRegisterImage(image, int(read_only)))
        cleanup.callback(self._unregister, resource)
        with gpu:
            return checked("mapping the frame", driver.cuGraphicsResourceGetMappedEglFrame(resource, 0, 0))

    def _unregister(self, resource: Any) -> None:
        with self._gpu:
            self._gpu.driver.cuGraphicsUnregisterResource(resource)

    def _planes(self, mapped: Any, buffer: Any, color: FrameColor) -> AnyFrame:
        if mapped.frameType != self._gpu.driver.CUeglFrameType.CU_EGL_FRAME_TYPE_PITCH:
            raise InputError(
                "the surface is block-linear, which has no rows; convert it with nvvidconv to RGBA or BGRx, or to NV12 "
                "with bl-output=false"
            )
        width, height, planes = int(mapped.width), int(mapped.height), buffer.planes
        first, second = (int(address) for address in mapped.frame.pPitch[:2])
        channels = CHANNELS.get(color)
        if channels:
            return LentPlane(self._gpu, first, (height, width, channels), int(mapped.pitch))
        luma = LentPlane(self._gpu, first, (height, width), int(mapped.pitch))
        if color == "GRAY8":
            return luma
        return luma, LentPlane(self._gpu, second, (height // 2, width // 2, 2), int(planes.pitch[1]))

    def close(self) -> None:
        """Release the GPU; harmless twice."""
        self._gpu.close()

    def __enter__(self) -> NvmmFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
