"""Crop and decode on the GPU: from frames to the network's input, and from its outputs to poses.

Every launch reads its addresses from the same memory, and nothing but a frame slot that grows allocates or waits after
construction. So a captured CUDA graph stays valid while frames, their sizes and formats, and boxes change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.cuda.device import Device
from hpe_edge.cuda.memory import Buffer
from hpe_edge.errors import BackendError
from hpe_edge.ops.crop import FORMATS, crop_arguments, swaps_colors
from hpe_edge.ops.decode import decode_arguments, head_offsets
from hpe_edge.ops.native import native
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec

_FRAME = native.BOX_FACE["frame"]
_POSE_FLOATS = 15  # angles, sigmas, rotation


class GpuPath:
    """Crop and decode of up to ``most`` faces from any number of frames, on the stream of one context.

    In all methods ``batch`` is the number of faces of a launch, and ``warped`` is true for crops by homographies. The
    GPU must be entered.
    """

    def __init__(
        self, gpu: Device, spec: ModelSpec, crop: Crop, most: int, stream: Any, cleanup: contextlib.ExitStack
    ) -> None:
        """
        Args:
            gpu: the device, entered.
            spec: of the model.
            crop: window around a box.
            most: largest batch.
            stream: CUDA stream of all work.
            cleanup: frees all memory.

        Raises:
            BackendError: out of GPU memory.
        """
        self._gpu, self._stream, self._input = gpu, stream, spec.input
        self._crop = native.CropLaunch(**crop_arguments(crop, spec.input), emulated=False)
        self._decode = native.DecodeLaunch(**decode_arguments(spec), emulated=False)
        self._places = [(spec.outputs[index], column) for index, column in head_offsets(spec)]
        self._faces = {
            False: Buffer(gpu, (most,), native.BOX_FACE, cleanup),
            True: Buffer(gpu, (most,), native.WARP_FACE, cleanup),
        }
        self._poses = Buffer(gpu, (most, _POSE_FLOATS), np.float32, cleanup)
        self._event = gpu.event(cleanup)
        self._slots = FrameSlots(gpu, stream, cleanup)

    def load(self, requests: Sequence[Request], batch: int) -> None:
        """Write the face records of a batch, and make the stream wait for their frames.

        Args:
            requests: all warped or all not. Frames in host memory are copied to the GPU.
            batch: number of records; beyond the requests' faces the last one is repeated, for networks of fixed batch.
        """
        faces, start = self._faces[requests[0].warped].array, 0
        for slot, request in enumerate(requests):
            stop = start + request.count
            record = self._record(request, slot)
            if request.warped:
                self._crop.write_views(record, request.places, faces[start:stop])
            else:
                self._crop.write_boxes(record, request.places, request.turn_vectors, faces[start:stop])
            start = stop
            if request.on_gpu is not None:
                request.on_gpu.wait(self._gpu, self._stream, self._event)
        faces[start:batch] = faces[start - 1]

    def crop(self, batch: int, warped: bool, out: int) -> None:
        """Enqueue the crop of the loaded faces into device memory ``out``, ``[batch, 3, size, size]``.

        Raises:
            BackendError: CUDA refuses the launch.
        """
        faces = self._faces[warped]
        faces.send(batch, self._stream)
        launch = self._crop.warp if warped else self._crop.boxes
        _launched(launch, faces.address, batch, out, int(self._stream))

    def decode(self, batch: int, outputs: dict[str, tuple[int, int]]) -> None:
        """Enqueue the decode of the network's outputs and the copy of the poses to the host.

        Args:
            batch: see the class.
            outputs: name -> device address and floats per face.

        Raises:
            BackendError: CUDA refuses the launch.
        """
        heads = [(outputs[name][0] + 4 * column, outputs[name][1]) for name, column in self._places]
        angles, sigma, rotation = (self._poses.address + 4 * part * batch for part in (0, 3, 6))
        _launched(self._decode.run, heads, batch, angles, sigma, rotation, int(self._stream))
        self._poses.receive(batch, self._stream)

    def read(self, batch: int, found: Sequence[Poses]) -> None:
        """Copy the decoded poses into ``found``, in the order of the faces; the stream must be done."""
        flat = self._poses.array.reshape(-1)
        angles, sigma = flat[: 3 * batch].reshape(batch, 3), flat[3 * batch : 6 * batch].reshape(batch, 3)
        rotation = flat[6 * batch : _POSE_FLOATS * batch].reshape(batch, 3, 3)
        start = 0
        for poses in found:
            part = slice(start, start := start + len(poses))
            poses.angles[:], poses.sigma[:], poses.rotation[:] = angles[part], sigma[part], rotation[part]

    def _record(self, request: Request, slot: int) -> NDArray[Any]:
        plane, chroma = request.planes
        addresses = [each.ctypes.data for each in (plane, chroma) if each is not None]
        if request.on_gpu is None:
            addresses = self._slots.send(slot, [each for each in (plane, chroma) if each is not None])
        record = np.zeros((), _FRAME)
        record["data"], record["row_stride_bytes"] = addresses[0], plane.strides[0]
        if chroma is not None:
            record["chroma"], record["chroma_row_stride_bytes"] = addresses[1], chroma.strides[0]
        record["height"], record["width"] = plane.shape[:2]
        record["format"] = FORMATS[request.color].value
        record["swap_colors"] = swaps_colors(request.color, self._input)
        return record


class FrameSlots:
    """Device memory for host frames: one slot per frame of a batch, grown to the largest frame."""

    def __init__(self, gpu: Device, stream: Any, cleanup: contextlib.ExitStack) -> None:
        self._gpu, self._stream = gpu, stream
        self._slots: dict[int, tuple[int, int, contextlib.ExitStack]] = {}  # address, bytes, owner
        cleanup.callback(self._free)

    def send(self, slot: int, planes: list[NDArray[np.uint8]]) -> list[int]:
        """Enqueue the copy of a frame, row padding included; return the device addresses of the planes' first pixels.

        Raises:
            BackendError: out of GPU memory, or the copy failed.
        """
        spans = [_span(plane) for plane in planes]
        address = self._reserve(slot, sum(len(span) for span, _ in spans))
        found = []
        for span, before in spans:
            self._gpu.copy_in(address, span, self._stream)
            found.append(address + before)
            address += len(span)
        return found

    def _reserve(self, slot: int, size_bytes: int) -> int:
        address, has, cleanup = self._slots.get(slot, (0, 0, contextlib.ExitStack()))
        if has < size_bytes:
            self._gpu.synchronize(self._stream)  # earlier work may still read the memory
            cleanup.close()
            self._slots.pop(slot, None)
            address = self._gpu.memory(size_bytes, cleanup)
            self._slots[slot] = (address, size_bytes, cleanup)
        return address

    def _free(self) -> None:
        for _, _, cleanup in self._slots.values():
            cleanup.close()
        self._slots.clear()


def _span(plane: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Return all bytes that a plane spans, and the offset of its first pixel among them: rows may be bottom-up."""
    # Pixels are packed within a row, so only the row stride can be negative.
    lowest = plane[::-1] if plane.strides[0] < 0 else plane
    reach = (len(plane) - 1) * abs(plane.strides[0]) + plane[0].size
    return np.lib.stride_tricks.as_strided(lowest, (reach,), (1,)), plane.ctypes.data - lowest.ctypes.data


def _launched(launch: Any, *arguments: Any) -> None:
    try:
        launch(*arguments)
    except RuntimeError as error:
        raise BackendError(
            f"the GPU cannot launch hpe_edge's kernels ({error}); `hpe-edge doctor` shows what is missing, and "
            "crop_on='cpu' works without them"
        ) from None
