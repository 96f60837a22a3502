"""Crop, stretch and decode on the GPU: from frames to the network's input, and from its outputs to poses.

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
from hpe_edge.landmarks.heatmap_peaks import HeatmapPeaks
from hpe_edge.ops.crop import FORMATS, crop_arguments, swaps_colors, yuv_rule
from hpe_edge.ops.decode import decode_arguments, head_offsets
from hpe_edge.ops.native import native
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, Heatmaps, ModelSpec

_POSE_FLOATS = 15  # angles, sigmas, rotation; the mark of a stretched crop follows


class GpuPath:
    """Crop and decode of up to ``most`` faces from any number of frames, on the stream of one context.

    In all methods ``batch`` is the number of faces of a launch, and ``warped`` is true for crops by homographies.

    Attributes:
        read_back: outputs that the caller copies to the host after :meth:`decode`: those of landmarks and visibility,
            but for heatmaps.
    """

    def __init__(
        self,
        gpu: Device,
        spec: ModelSpec,
        crop: Crop,
        most: int,
        stream: Any,
        cleanup: contextlib.ExitStack,
        *,
        channels_last: bool = False,
    ) -> None:
        """
        Args:
            gpu: the device, entered.
            spec: of the model.
            crop: window around a box.
            most: largest batch.
            stream: CUDA stream of all work.
            cleanup: frees all memory.
            channels_last: the network takes padded pixels, see :func:`hpe_edge.ops.crop.crop_arguments`.

        Raises:
            BackendError: out of GPU memory.
        """
        self._gpu, self._stream = gpu, stream
        self._crop = native.CropLaunch(**crop_arguments(crop, spec.input, channels_last), emulated=False)
        self._decode = native.DecodeLaunch(**decode_arguments(spec), emulated=False)
        self._places = [(spec.outputs[index], column) for index, column in head_offsets(spec)]
        self._faces = {
            False: Buffer(gpu, (most,), native.BOX_FACE, cleanup),
            True: Buffer(gpu, (most,), native.WARP_FACE, cleanup),
        }
        self._poses = Buffer(gpu, (most, _POSE_FLOATS + 1), np.float32, cleanup)
        self.read_back = tuple(
            dict.fromkeys(
                head.output
                for head in (spec.landmarks, spec.visibility)
                if head is not None and not isinstance(head, Heatmaps)
            )
        )
        self._maps, self._peaks, self._points = "", None, None
        if isinstance(head := spec.landmarks, Heatmaps):
            self._maps, self._peaks = head.output, HeatmapPeaks(head.count, head.side, head.scale).op
            self._points = Buffer(gpu, (most, head.count, 2), np.float32, cleanup)
        self._slots = FrameSlots(gpu, stream, cleanup)
        self._formats = {
            color: (FORMATS[color].value, int(swaps_colors(color, spec.input)), yuv_rule(color).value)
            for color in FORMATS
        }
        self._batch = native.BatchRun(
            calls=gpu.calls,
            crop=self._crop,
            context=gpu.context,
            stream=int(stream),
            event=int(gpu.event(cleanup)),
            most=most,
            box_faces=self._faces[False].array.ctypes.data,
            warp_faces=self._faces[True].array.ctypes.data,
            poses=self._poses.array.ctypes.data,
        )

    def load(self, requests: Sequence[Request], batch: int) -> None:
        """Write the face records of a batch, and make the stream wait for their frames.

        Args:
            requests: all warped or all not. Frames in host memory are copied to the GPU.
            batch: number of records; beyond the requests' faces the last one is repeated, for networks of fixed batch.

        Raises:
            BackendError: CUDA refuses a call.
        """
        self._native(self._batch.load, requests, batch, self._parts(requests, None), self._writers(requests))

    def run(self, graph: int, requests: Sequence[Request], batch: int, found: Sequence[Poses]) -> None:
        """Load a batch, launch its graph, wait for it and copy the poses into ``found``, in one native call.

        Args:
            graph: handle of the captured crop, network and decode of ``batch`` faces.
            requests, batch: see :meth:`load`.
            found: poses to fill, one per request.

        Raises:
            BackendError: some of the work failed.
        """
        self._native(self._batch.run, requests, batch, self._parts(requests, found), self._writers(requests), graph)

    def crop(self, batch: int, warped: bool, out: int) -> None:
        """Enqueue the crop of the loaded faces into device memory ``out``, which has the network's layout, and their
        contrast stretch.

        Raises:
            BackendError: CUDA refuses the launch.
        """
        faces = self._faces[warped]
        faces.send(batch, self._stream)
        launch = self._crop.warp if warped else self._crop.boxes
        _launched(launch, faces.address, batch, out, int(self._stream))
        _launched(self._crop.stretch, out, batch, self._poses.address + 4 * _POSE_FLOATS * batch, int(self._stream))

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
        if self._peaks is not None and self._points is not None:
            maps, row = outputs[self._maps]
            _launched(self._peaks.launch, maps, row, batch, self._points.address, int(self._stream))
            self._points.receive(batch, self._stream)

    @property
    def peaks(self) -> NDArray[np.float32] | None:
        """Peaks of the last batch's heatmaps, ``[most, count, 2]``; None without heatmaps. The stream must be done."""
        return None if self._points is None else self._points.array

    def read(self, requests: Sequence[Request], batch: int, found: Sequence[Poses]) -> None:
        """Copy the decoded poses into ``found``, in the order of the faces; the stream must be done."""
        self._batch.read(batch, requests[0].warped, self._parts(requests, found)[0])

    def _native(self, call: Any, requests: Sequence[Request], batch: int, parts: Any, *more: Any) -> None:
        try:
            call(batch, requests[0].warped, *parts, *more)
        except native.DriverError as error:
            raise self._gpu.failure(error) from None

    def _parts(self, requests: Sequence[Request], found: Sequence[Poses] | None) -> tuple[list[Any], list[Any]]:
        """Return the faces of each frame and the copies of host frames, as ``native.BatchRun`` takes them."""
        parts: list[Any] = []
        copies: list[tuple[int, int, int]] = []
        for slot, request in enumerate(requests):
            on_gpu = request.on_gpu
            fields = self._sent(request, slot, copies) if on_gpu is None else on_gpu.fields
            poses = (None,) * 4 if found is None else (*found[slot].arrays, found[slot].stretched)
            parts.append((fields + self._formats[request.color], request.places, request.turns, *poses))
        return parts, copies

    def _writers(self, requests: Sequence[Request]) -> list[int]:
        """Return the streams that write the frames; wait for those that are not known."""
        streams: list[int] = []
        unknown = False
        for request in requests:
            for stream in () if request.on_gpu is None else request.on_gpu.streams:
                if stream is None:
                    unknown = True
                elif stream not in streams:
                    streams.append(stream)
        if unknown:
            with self._gpu:
                self._gpu.wait_for_all()
        return streams

    def _sent(self, request: Request, slot: int, copies: list[tuple[int, int, int]]) -> tuple[int, ...]:
        """Return the record's fields of a host frame that ``copies`` brings to the GPU."""
        plane, chroma = request.planes
        addresses = self._slots.place(slot, [each for each in (plane, chroma) if each is not None], copies)
        height, width = plane.shape[:2]
        if chroma is None:
            return addresses[0], 0, plane.strides[0], 0, width, height
        return addresses[0], addresses[1], plane.strides[0], chroma.strides[0], width, height


class FrameSlots:
    """Device memory for host frames: one slot per frame of a batch, grown to the largest frame."""

    def __init__(self, gpu: Device, stream: Any, cleanup: contextlib.ExitStack) -> None:
        self._gpu, self._stream = gpu, stream
        self._slots: dict[int, tuple[int, int, contextlib.ExitStack]] = {}  # address, bytes, owner
        cleanup.callback(self._free)

    def place(self, slot: int, planes: list[NDArray[np.uint8]], copies: list[tuple[int, int, int]]) -> list[int]:
        """Find room for a frame, and list the copies that bring it there, row padding included.

        Args:
            slot: number of the frame in the batch.
            planes: on the host.
            copies: gets device address, host address and bytes of each.

        Returns:
            The device addresses of the planes' first pixels.

        Raises:
            BackendError: out of GPU memory.
        """
        spans = [_span(plane) for plane in planes]
        address = self._reserve(slot, sum(size for _, size, _ in spans))
        found = []
        for start, size, before in spans:
            copies.append((address, start, size))
            found.append(address + before)
            address += size
        return found

    def _reserve(self, slot: int, size_bytes: int) -> int:
        address, has, cleanup = self._slots.get(slot, (0, 0, contextlib.ExitStack()))
        if has < size_bytes:
            with self._gpu:
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


def _span(plane: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return address and number of a plane's bytes, and its first pixel's offset among them: rows may be bottom-up."""
    # Pixels are packed within a row, so only the row stride can be negative.
    first, steps = plane.ctypes.data, (len(plane) - 1) * plane.strides[0]
    return first + min(steps, 0), abs(steps) + plane[0].size, max(-steps, 0)


def _launched(launch: Any, *arguments: Any) -> None:
    try:
        launch(*arguments)
    except RuntimeError as error:
        raise BackendError(
            f"the GPU cannot launch hpe_edge's kernels ({error}); `hpe-edge doctor` shows what is missing, and "
            "crop_on='cpu' works without them"
        ) from None
