"""The native operations on a GPU: every call copies its arrays there, launches, and copies the result back."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from hpe_edge import HpeEdgeError
from hpe_edge.backends.gpu_path import FrameSlots
from hpe_edge.cuda.device import Device
from hpe_edge.cuda.memory import Buffer
from hpe_edge.ops.native import native


def missing_gpu() -> str:
    """The reason why kernels cannot be launched; empty where they can."""
    try:
        Device().close()
    except HpeEdgeError as error:
        return str(error).partition(";")[0]  # the rest is for users
    return native.probe_cuda().reason


def require_gpu() -> None:
    """Skip where there is no GPU, or fail there if HPE_EDGE_REQUIRE_CUDA is 1."""
    reason = missing_gpu()
    if reason and os.environ.get("HPE_EDGE_REQUIRE_CUDA") == "1":
        pytest.fail(f"HPE_EDGE_REQUIRE_CUDA is 1, but {reason}", pytrace=False)
    if reason:
        pytest.skip(f"needs a GPU: {reason}")


def face_record(
    addresses: Sequence[int], planes: Sequence[np.ndarray], format: Any, swap_colors: bool, yuv: Any
) -> np.ndarray:
    """Native record of a frame whose planes lie at these addresses."""
    record = np.zeros((), native.BOX_FACE["frame"])
    record["data"], record["row_stride_bytes"] = addresses[0], planes[0].strides[0]
    if len(planes) > 1:
        record["chroma"], record["chroma_row_stride_bytes"] = addresses[1], planes[1].strides[0]
    record["height"], record["width"] = planes[0].shape[:2]
    record["format"], record["swap_colors"], record["yuv"] = format.value, swap_colors, yuv.value
    return record


def turn_vectors(turns_deg: np.ndarray) -> np.ndarray:
    """Cosines and sines ``[N, 2]`` of turns, as the records of ``native.BOX_FACE`` hold them."""
    radians = np.deg2rad(turns_deg.astype(np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


class GpuLoop:
    """Makes what takes the place of ``native.CropNormalize`` and ``native.Decode``.

    Everything lies in memory of exactly its own size, so that compute-sanitizer sees every byte too many.

    Attributes:
        gpu: entered until ``cleanup`` is closed.
        stream: on which everything is done.
    """

    def __init__(self, cleanup: contextlib.ExitStack) -> None:
        self.gpu = Device()
        cleanup.callback(self.gpu.close)
        cleanup.enter_context(self.gpu)
        self.stream = self.gpu.stream(cleanup)

    def crop(self, *, swap_colors: bool, format: Any, yuv: Any, isa: str, **arguments: Any) -> _Crop:
        return _Crop(self, native.CropLaunch(**arguments, emulated=False), format, swap_colors, yuv)

    def decode(self, *, places: Sequence[tuple[int, int]], isa: str, **arguments: Any) -> _Decode:
        return _Decode(self, native.DecodeLaunch(**arguments, emulated=False), places)

    def send(self, planes: Sequence[np.ndarray], cleanup: contextlib.ExitStack) -> list[int]:
        """Copy planes to memory of exactly their size; the addresses of their first pixels."""
        copies: list[tuple[int, int, int]] = []
        addresses = FrameSlots(self.gpu, self.stream, cleanup).place(0, list(planes), copies)
        for to, start, size in copies:
            content = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(start))
            self.gpu.copy_in(to, content, self.stream)
        return addresses

    def buffer(self, rows: int, dtype: Any, cleanup: contextlib.ExitStack, *columns: int) -> Buffer:
        return Buffer(self.gpu, (rows, *columns), dtype, cleanup)

    def fetch(self, buffers: Sequence[Buffer], arrays: Sequence[np.ndarray]) -> None:
        for buffer in buffers:
            buffer.receive(len(buffer.array), self.stream)
        self.gpu.synchronize(self.stream)
        for buffer, array in zip(buffers, arrays, strict=True):
            array[...] = buffer.array


class _Crop:
    def __init__(self, loop: GpuLoop, launch: Any, format: Any, swap_colors: bool, yuv: Any) -> None:
        self._loop, self._launch, self._format, self._swap_colors, self._yuv = loop, launch, format, swap_colors, yuv

    def boxes(
        self,
        frame: np.ndarray,
        chroma: np.ndarray | None,
        boxes: np.ndarray,
        turns_deg: np.ndarray | None,
        out: np.ndarray,
    ) -> None:
        turns = None if turns_deg is None else turn_vectors(turns_deg)

        def write(record: np.ndarray, faces: np.ndarray) -> None:
            self._launch.write_boxes(record, boxes, turns, faces)

        self._run(self._launch.boxes, native.BOX_FACE, frame, chroma, write, len(boxes), out)

    def warp(self, frame: np.ndarray, chroma: np.ndarray | None, homographies: np.ndarray, out: np.ndarray) -> None:
        def write(record: np.ndarray, faces: np.ndarray) -> None:
            self._launch.write_views(record, homographies, faces)

        self._run(self._launch.warp, native.WARP_FACE, frame, chroma, write, len(homographies), out)

    def _run(
        self,
        launch: Callable[[int, int, int, int], None],
        dtype: Any,
        frame: np.ndarray,
        chroma: np.ndarray | None,
        write: Callable[[np.ndarray, np.ndarray], None],
        count: int,
        out: np.ndarray,
    ) -> None:
        loop = self._loop
        if not count:
            return
        with contextlib.ExitStack() as cleanup:
            planes = [plane for plane in (frame, chroma) if plane is not None]
            addresses = loop.send(planes, cleanup)
            faces = loop.buffer(count, dtype, cleanup)
            write(face_record(addresses, planes, self._format, self._swap_colors, self._yuv), faces.array)
            faces.send(count, loop.stream)
            result = loop.buffer(len(out), out.dtype, cleanup, *out.shape[1:])
            launch(faces.address, count, result.address, int(loop.stream))
            loop.fetch([result], [out])


class _Decode:
    def __init__(self, loop: GpuLoop, launch: Any, places: Sequence[tuple[int, int]]) -> None:
        self._loop, self._launch, self._places = loop, launch, places

    def run(self, outputs: Sequence[np.ndarray], *poses: np.ndarray) -> None:
        count, loop = len(poses[0]), self._loop
        if not count:
            return
        with contextlib.ExitStack() as cleanup:
            addresses = [loop.send([output.view(np.uint8)], cleanup)[0] for output in outputs]
            heads = [(addresses[index] + 4 * column, outputs[index].strides[0] // 4) for index, column in self._places]
            results = [loop.buffer(count, np.float32, cleanup, *array.shape[1:]) for array in poses]
            self._launch.run(heads, count, *(result.address for result in results), int(loop.stream))
            loop.fetch(results, poses)
