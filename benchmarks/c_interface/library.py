"""libhpe_edge through ctypes. Arguments are handed over as they are, so that tests see what the library refuses."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import BackendError, InputError
from hpe_edge.ops.frames import FrameColor

OK, INVALID_ARGUMENT, INVALID_SPEC, NO_CUDA, CUDA_FAILED, OUT_OF_MEMORY, INTERNAL, INVALID_MODEL = range(8)

SEARCH_LOOKS = 7

UPRIGHT = (None, "keypoints", "second-pass")

_FORMATS: dict[FrameColor, int] = {
    "BGR": 0,
    "RGB": 1,
    "GRAY8": 2,
    "NV12": 3,
    "BGRA": 4,
    "RGBA": 5,
    "NV12_601_FULL": 6,
    "NV12_709": 7,
    "NV12_709_FULL": 8,
}
_TYPES = (np.dtype(np.float32), np.dtype(np.float16), np.dtype(np.uint8))


class SpecInfo(ctypes.Structure):
    """hpe_spec_info."""

    _fields_ = (
        ("architecture", ctypes.c_char_p),
        ("input_name", ctypes.c_char_p),
        ("input_size", ctypes.c_int32),
        ("input_type", ctypes.c_int32),
        ("output_count", ctypes.c_int32),
        ("upright", ctypes.c_int32),
        ("margins", ctypes.c_double * 4),
        ("sigma_limit_deg", ctypes.c_double),
    )


class Frame(ctypes.Structure):
    """hpe_frame."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("row_stride_bytes", ctypes.c_int64),
        ("chroma", ctypes.c_void_p),
        ("chroma_row_stride_bytes", ctypes.c_int64),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("format", ctypes.c_int32),
    )


class Output(ctypes.Structure):
    """hpe_output."""

    _fields_ = (("data", ctypes.c_void_p), ("columns", ctypes.c_int64), ("row_stride", ctypes.c_int64))


class PosesView(ctypes.Structure):
    """hpe_poses."""

    _fields_ = (("angles_deg", ctypes.c_void_p), ("sigma_deg", ctypes.c_void_p), ("rotation", ctypes.c_void_p))


class CError(Exception):
    """A failure of the library; ``status`` is its hpe_status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Library:
    """A loaded libhpe_edge."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Load a library file.

        Raises:
            InputError: there is none.
            BackendError: it cannot be loaded.
        """
        if not Path(path).is_file():
            raise InputError(
                f"there is no library {path}; build it with -DHPE_EDGE_C_LIBRARY=ON, see docs/c_interface.md"
            )
        try:
            self.dll = ctypes.CDLL(os.fspath(path))
        except OSError as error:
            raise BackendError(f"{path} cannot be loaded: {error}") from None
        self.dll.hpe_version.restype = ctypes.c_char_p
        self.dll.hpe_last_error.restype = ctypes.c_char_p

    @property
    def version(self) -> str:
        """Version of the library."""
        return str(self.dll.hpe_version().decode())

    def check(self, status: int) -> None:
        """Raise CError unless a call's status is OK."""
        if status != OK:
            raise CError(status, self.dll.hpe_last_error().decode())

    def read_spec(self, text: str | bytes) -> Spec:
        """Read a spec's JSON."""
        data = text.encode() if isinstance(text, str) else text
        handle = ctypes.c_void_p()
        self.check(self.dll.hpe_spec_read(data, ctypes.c_size_t(len(data)), ctypes.byref(handle)))
        return Spec(self, handle)

    def read_model(self, data: bytes) -> Model:
        """Read a .hpe file's bytes."""
        handle = ctypes.c_void_p()
        self.check(self.dll.hpe_model_read(data, ctypes.c_size_t(len(data)), ctypes.byref(handle)))
        return Model(self, handle)

    def turns_from_keypoints(self, keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return turns ``[N]`` of key points ``[N, 5, 2]``."""
        turns = np.empty(len(keypoints), np.float32)
        self.check(self.dll.hpe_turns_from_keypoints(address(keypoints), len(keypoints), address(turns)))
        return turns

    def undo_turns(self, turns: NDArray[np.float32], arrays: Sequence[NDArray[np.float32]]) -> None:
        """Turn poses back, in place; ``arrays`` are angles, sigma and rotation."""
        self.check(self.dll.hpe_undo_turns(address(turns), len(turns), ctypes.byref(poses_view(arrays))))

    def second_pass(
        self, turns: NDArray[np.float32] | None, arrays: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the rows to estimate again and their turns."""
        count = len(arrays[0])
        again, again_turns, found = np.empty(count, np.int32), np.empty(count, np.float32), ctypes.c_int32()
        self.check(
            self.dll.hpe_second_pass(
                address(turns),
                count,
                ctypes.byref(poses_view(arrays)),
                address(again),
                address(again_turns),
                ctypes.byref(found),
            )
        )
        return again[: found.value], again_turns[: found.value]

    def take_looks(
        self,
        doubtful: NDArray[np.int32],
        looks: Sequence[NDArray[np.float32]],
        arrays: Sequence[NDArray[np.float32]],
    ) -> NDArray[np.int32]:
        """Replace the poses of doubtful faces by their looks' ``[N * SEARCH_LOOKS]``; return the looks taken, or -1."""
        taken = np.empty(len(doubtful), np.int32)
        self.check(
            self.dll.hpe_take_looks(
                address(doubtful),
                len(doubtful),
                ctypes.byref(poses_view(looks)),
                len(arrays[0]),
                ctypes.byref(poses_view(arrays)),
                address(taken),
            )
        )
        return taken


class Model:
    """An hpe_model, which lives as long as this object."""

    def __init__(self, library: Library, handle: ctypes.c_void_p) -> None:
        self._library, self.handle = library, handle

    def __del__(self) -> None:
        self._library.dll.hpe_model_free(self.handle)

    def estimate(
        self, frame: Frame, boxes: NDArray[np.float32], keypoints: NDArray[np.float32] | None = None
    ) -> list[NDArray[np.float32]]:
        """Return angles, sigma and rotation of boxes ``[N, 4]``."""
        found = pose_arrays(len(boxes))
        self._library.check(
            self._library.dll.hpe_estimate(
                self.handle,
                ctypes.byref(frame),
                address(boxes),
                address(keypoints),
                len(boxes),
                ctypes.byref(poses_view(found)),
            )
        )
        return found


class Spec:
    """An hpe_spec, which lives as long as this object."""

    def __init__(self, library: Library, handle: ctypes.c_void_p) -> None:
        self._library, self.handle = library, handle
        info = SpecInfo()
        library.check(library.dll.hpe_spec_describe(handle, ctypes.byref(info), ctypes.c_size_t(ctypes.sizeof(info))))
        self.info = info
        self.dtype = _TYPES[info.input_type]
        self.outputs = [self._output(i) for i in range(info.output_count)]

    def __del__(self) -> None:
        self._library.dll.hpe_spec_free(self.handle)

    def _output(self, index: int) -> tuple[str, int]:
        name, columns = ctypes.c_char_p(), ctypes.c_int32()
        self._library.check(
            self._library.dll.hpe_spec_output(self.handle, index, ctypes.byref(name), ctypes.byref(columns))
        )
        assert name.value is not None
        return name.value.decode(), columns.value

    def with_margins(self, margins: Sequence[float]) -> Spec:
        """Return a copy with other margins."""
        handle = ctypes.c_void_p()
        four = (ctypes.c_double * 4)(*margins)
        self._library.check(self._library.dll.hpe_spec_with_margins(self.handle, four, ctypes.byref(handle)))
        return Spec(self._library, handle)

    def room(self, count: int) -> NDArray[Any]:
        """Allocate the network's input of ``count`` faces."""
        size = self.info.input_size
        return np.empty((count, 3, size, size), self.dtype)

    def crop(
        self,
        frame: Frame,
        boxes: NDArray[np.float32],
        out: NDArray[Any],
        turns: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        """Crop boxes ``[N, 4]`` into ``out``."""
        self._library.check(
            self._library.dll.hpe_crop_normalize(
                self.handle,
                ctypes.byref(frame),
                address(boxes),
                address(turns),
                len(boxes),
                address(out),
                ctypes.c_size_t(out.nbytes),
            )
        )
        return out

    def warp(self, frame: Frame, homographies: NDArray[np.float64], out: NDArray[Any]) -> NDArray[Any]:
        """Warp by homographies ``[N, 3, 3]`` into ``out``."""
        self._library.check(
            self._library.dll.hpe_warp_normalize(
                self.handle,
                ctypes.byref(frame),
                address(homographies),
                len(homographies),
                address(out),
                ctypes.c_size_t(out.nbytes),
            )
        )
        return out

    def stretch(self, input: NDArray[Any]) -> NDArray[np.uint8]:
        """Stretch dark and flat crops in place; return 1 for those that were."""
        stretched = np.full(len(input), 9, np.uint8)
        self._library.check(
            self._library.dll.hpe_stretch(
                self.handle, address(input), ctypes.c_size_t(input.nbytes), len(input), address(stretched)
            )
        )
        return stretched

    def search_turns(
        self, turns: NDArray[np.float32] | None, arrays: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the doubtful rows, and the turns ``[rows, SEARCH_LOOKS]`` of their other looks."""
        count = len(arrays[0])
        doubtful, found = np.empty(count, np.int32), ctypes.c_int32()
        look_turns = np.empty((count, SEARCH_LOOKS), np.float32)
        self._library.check(
            self._library.dll.hpe_search_turns(
                self.handle,
                address(turns),
                count,
                ctypes.byref(poses_view(arrays)),
                address(doubtful),
                address(look_turns),
                ctypes.byref(found),
            )
        )
        return doubtful[: found.value], look_turns[: found.value]

    def decode(
        self, outputs: Sequence[NDArray[np.float32]], arrays: Sequence[NDArray[np.float32]]
    ) -> Sequence[NDArray[np.float32]]:
        """Decode outputs ``[N, columns]`` into angles, sigma and rotation."""
        views = (Output * len(outputs))(
            *(Output(each.ctypes.data, each.shape[1], each.strides[0] // 4) for each in outputs)
        )
        self._library.check(
            self._library.dll.hpe_decode(
                self.handle, views, len(outputs), len(arrays[0]), ctypes.byref(poses_view(arrays))
            )
        )
        return arrays


def address(array: NDArray[Any] | None) -> ctypes.c_void_p | None:
    """Return where an array lies; None for none."""
    return None if array is None else ctypes.c_void_p(array.ctypes.data)


def frame_view(frame: NDArray[np.uint8], color: FrameColor = "BGR", chroma: NDArray[np.uint8] | None = None) -> Frame:
    """Describe a frame; ``chroma`` is NV12's second plane. The arrays must outlive the view."""
    height, width = frame.shape[:2]
    return Frame(
        frame.ctypes.data,
        frame.strides[0],
        None if chroma is None else chroma.ctypes.data,
        0 if chroma is None else chroma.strides[0],
        width,
        height,
        _FORMATS[color],
    )


def pose_arrays(count: int) -> list[NDArray[np.float32]]:
    """Allocate angles, sigma and rotation of ``count`` faces."""
    return [np.empty(shape, np.float32) for shape in ((count, 3), (count, 3), (count, 3, 3))]


def poses_view(arrays: Sequence[NDArray[np.float32]]) -> PosesView:
    """Describe angles, sigma and rotation."""
    return PosesView(*(each.ctypes.data for each in arrays))
