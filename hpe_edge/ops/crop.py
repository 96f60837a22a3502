"""The checked NumPy front of the native operations: arguments are checked here, once; the C++ code trusts them."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError
from hpe_edge.ops.arguments import (
    FORMATS,
    FrameColor,
    crop_arguments,
    decode_arguments,
    head_places,
    input_dtype,
    swaps_colors,
)
from hpe_edge.ops.frames import CudaArray, DlpackArray, host_frame
from hpe_edge.ops.native import native
from hpe_edge.poses import Poses
from hpe_edge.spec import AngleHead, BinHead, Crop, Input, ModelSpec, RotationDecode

# An NV12 frame as two planes: Y [H, W] and interleaved UV [H/2, W/2, 2].
Planes = tuple[NDArray[np.uint8], NDArray[np.uint8]]

# A frame that was found to be in order: its only plane and None, or Y and UV, both [.., W] with packed rows.
CheckedPlanes = tuple[NDArray[np.uint8], NDArray[np.uint8] | None]

# What is taken for a frame, or for one of two planes; see hpe_edge.ops.frames for those that are not NumPy's.
AnyPlane = NDArray[np.uint8] | CudaArray | DlpackArray
AnyFrame = AnyPlane | tuple[AnyPlane, AnyPlane]

MAX_COORDINATE = 1e6  # pixels; a box beyond it is a mistake, and sampling a window that wide would take seconds
MAX_FRAME_SIDE = 1 << 16

_UINT8 = np.dtype(np.uint8)
_FLOAT32 = np.dtype(np.float32)


def isa_names() -> list[str]:
    """Instruction sets that this build carries and this processor runs, best first."""
    return native.isa_names()


class CropNormalize:
    """crop_normalize with its parameters fixed: what the engine keeps, so that a call checks only what changes."""

    def __init__(self, crop: Crop, input: Input, isa: str = "") -> None:
        """
        Args:
            crop: what is cut out.
            input: how the cut is sampled and normalised.
            isa: one of :func:`isa_names`; empty takes the best. For tests and benchmarks.
        """
        self.crop = crop
        self.input = input
        self.dtype = input_dtype(input)
        arguments = crop_arguments(crop, input)
        self._ops = {
            color: native.CropNormalize(**arguments, swap_colors=swaps_colors(color, input), format=format, isa=isa)
            for color, format in FORMATS.items()
        }

    def __call__(
        self,
        frame: AnyFrame,
        boxes: ArrayLike,
        out: NDArray[Any] | None = None,
        *,
        color: FrameColor = "BGR",
    ) -> NDArray[Any]:
        """Crop every box; see :func:`crop_normalize`."""
        planes = frame_planes(frame, color)
        checked = check_boxes(boxes)
        out = self._room(len(checked), out)
        self.crop_checked(planes, checked, out, color)
        return out

    def warp(
        self,
        frame: AnyFrame,
        homographies: ArrayLike,
        out: NDArray[Any] | None = None,
        *,
        color: FrameColor = "BGR",
    ) -> NDArray[Any]:
        """Warp the frame once per homography; see :func:`warp_normalize`."""
        planes = frame_planes(frame, color)
        checked = check_homographies(homographies)
        out = self._room(len(checked), out)
        self.warp_checked(planes, checked, out, color)
        return out

    def crop_checked(
        self, planes: CheckedPlanes, boxes: NDArray[np.float32], out: NDArray[Any], color: FrameColor
    ) -> None:
        """Crop every box, without looking at the arguments again.

        Args:
            planes: of :func:`frame_planes`, for the same ``color``.
            boxes: of :func:`check_boxes`.
            out: ``[N, 3, size, size]`` in the input's dtype, C-contiguous.
            color: what the frame holds.
        """
        self._ops[color].boxes(*planes, boxes, out)

    def warp_checked(
        self, planes: CheckedPlanes, homographies: NDArray[np.float64], out: NDArray[Any], color: FrameColor
    ) -> None:
        """Like :meth:`crop_checked`, with homographies of :func:`check_homographies`."""
        self._ops[color].warp(*planes, homographies, out)

    def _room(self, count: int, out: NDArray[Any] | None) -> NDArray[Any]:
        shape = (count, 3, self.input.size, self.input.size)
        if out is None:
            return np.empty(shape, self.dtype)
        if out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous or not out.flags.writeable:
            raise InputError(
                f"out must be a writeable, C-contiguous {self.dtype} array {shape}, got {out.dtype} {out.shape}"
            )
        return out


@functools.lru_cache(maxsize=32)
def _cached_crop(crop: Crop, input: Input) -> CropNormalize:
    return CropNormalize(crop, input)


def crop_normalize(
    frame: AnyFrame,
    boxes: ArrayLike,
    crop: Crop,
    input: Input,
    out: NDArray[Any] | None = None,
    *,
    color: FrameColor = "BGR",
) -> NDArray[Any]:
    """Crop boxes out of a frame and bring them to the network's input, in one pass.

    The result is what cutting the window (box, margins, square, clip), resizing the cut, swapping channels and
    normalising gives, with no rounding in between. Pixels of the window outside the frame are ``crop.fill``.

    Args:
        frame: uint8 ``[H, W, 3]`` (BGR or RGB), ``[H, W]`` (GRAY8), or NV12 as ``[H * 3 / 2, W]`` or as a pair of
            planes Y ``[H, W]`` and UV ``[H / 2, W / 2, 2]``, each with its own row stride. Rows may be padded or
            bottom-up; pixels within a row must be packed. An array on a GPU or a DLPack tensor serves, too, and the
            former is copied to the host; see :mod:`hpe_edge.ops.frames`.
        boxes: ``[N, 4]`` numbers x1 y1 x2 y2 in pixels, x2 and y2 exclusive; may leave the frame. N may be 0.
        crop: what is cut out.
        input: size, colour order and normalisation of the result.
        out: array ``[N, 3, size, size]`` of the input's dtype to fill; allocated if None.
        color: what the frame holds.

    Returns:
        ``[N, 3, size, size]`` in the input's dtype; ``out`` when given.

    Raises:
        InputError: a frame, box or ``out`` of the wrong form; the message names it.
    """
    return _cached_crop(crop, input)(frame, boxes, out, color=color)


def warp_normalize(
    frame: AnyFrame,
    homographies: ArrayLike,
    crop: Crop,
    input: Input,
    out: NDArray[Any] | None = None,
    *,
    color: FrameColor = "BGR",
) -> NDArray[Any]:
    """Like :func:`crop_normalize`, with a homography per face in place of a box: the rectifying warp.

    Args:
        frame: see :func:`crop_normalize`.
        homographies: ``[N, 3, 3]``, from the output picture, whose corners are (0, 0) and (size, size), to the frame's
            pixels.
        crop: its fill and resampling apply; margins, square and clip play no part.
        input: size, colour order and normalisation of the result.
        out: array ``[N, 3, size, size]`` of the input's dtype to fill; allocated if None.
        color: what the frame holds.

    Returns:
        ``[N, 3, size, size]`` in the input's dtype; ``out`` when given.

    Raises:
        InputError: an argument of the wrong form; the message names it.
    """
    return _cached_crop(crop, input).warp(frame, homographies, out, color=color)


class DecodeHeads:
    """decode with its parameters fixed: what the engine keeps.

    Head outputs become angles in degrees, their standard deviations and rotations. Bins are decoded by a numerically
    stable softmax and its expectation (circular heads: the circular mean); 6D vectors, matrices and quaternions by the
    label triple that they encode. A row that holds NaN decodes to NaN throughout.
    """

    def __init__(self, spec: ModelSpec, isa: str = "") -> None:
        self.outputs = spec.outputs
        self._needed_columns = head_columns(spec)
        self._op = native.Decode(**decode_arguments(spec), places=head_places(spec), isa=isa)

    def __call__(self, outputs: Sequence[NDArray[np.float32]], out: Poses | None = None) -> Poses:
        """Decode N faces.

        Args:
            outputs: float32 ``[N, columns]``, one array per name of ``self.outputs``; rows may be padded. ``[N, 3, 3]``
                is taken for a matrix head.
            out: Poses to fill; allocated if None.

        Returns:
            Poses of N faces; ``out`` when given. N may be 0.

        Raises:
            InputError: an output of the wrong number, dtype or shape.
        """
        if len(outputs) != len(self.outputs):
            raise InputError(f"decode needs {len(self.outputs)} arrays {self.outputs}, got {len(outputs)}")
        flat = list(map(self._check, self.outputs, outputs))
        count = len(flat[0])
        if len(flat) > 1 and any(len(array) != count for array in flat):
            raise InputError(f"outputs must agree in N, got {[array.shape for array in outputs]}")
        poses = Poses.empty(count) if out is None else out
        if len(poses) != count:
            raise InputError(f"out must hold {count} faces, got {len(poses)}")
        self._op.run(flat, poses.angles, poses.sigma, poses.rotation)
        return poses

    def _check(self, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
        if array.ndim > 2:
            array = array.reshape(len(array), math.prod(array.shape[1:]))
        columns = self._needed_columns[name]
        if array.dtype != _FLOAT32 or array.ndim != 2 or array.shape[1] < columns:
            raise InputError(
                f"output {name!r} must be float32 [N, {columns}] or wider, got {array.dtype} {array.shape}"
            )
        row_stride, column_stride = array.strides
        if (column_stride != 4 or row_stride % 4 or not array.flags.aligned) and array.size:
            raise InputError(f"output {name!r} must have packed, aligned columns; pass a copy of it")
        return array


def head_columns(spec: ModelSpec) -> dict[str, int]:
    """How many columns the decode reads of each output, by the output's name."""
    needed = dict.fromkeys(spec.outputs, 0)
    for head in spec.heads():
        needed[head.output] = max(needed[head.output], head.column + _head_width(head))
    return needed


def _head_width(head: BinHead | AngleHead | RotationDecode) -> int:
    if isinstance(head, BinHead):
        return head.count
    return head.width if isinstance(head, RotationDecode) else 1


def check_frame(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame, if it is uint8 ``[H, W, 3]`` with packed rows.

    Raises:
        InputError: it is not; the message names what is wrong.
    """
    return frame_planes(frame, "BGR")[0]


def check_boxes(boxes: ArrayLike) -> NDArray[np.float32]:
    """Boxes as float32 ``[N, 4]``, C-contiguous; an empty list is N = 0.

    Raises:
        InputError: not ``[N, 4]`` numbers, or a box that is not finite, has no area or lies beyond a million pixels.
    """
    try:
        array = np.ascontiguousarray(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"boxes must be [N, 4] numbers x1 y1 x2 y2 in pixels, got {_brief(boxes)} ({error})") from None
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


def check_homographies(homographies: ArrayLike) -> NDArray[np.float64]:
    """Homographies as float64 ``[N, 3, 3]``, C-contiguous; an empty list is N = 0.

    Raises:
        InputError: not ``[N, 3, 3]`` finite numbers.
    """
    try:
        array = np.ascontiguousarray(homographies, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"homographies must be [N, 3, 3] numbers, got {_brief(homographies)} ({error})") from None
    if array.ndim == 1 and array.size == 0:
        return array.reshape(0, 3, 3)
    if not array.flags.aligned:
        array = array.copy()
    if array.ndim != 3 or array.shape[1:] != (3, 3):
        raise InputError(f"homographies must be [N, 3, 3], got shape {array.shape}; put a single one into a list")
    finite = np.isfinite(array).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"homography {int(np.argmin(finite))} holds a value that is not finite")
    return array


def frame_planes(given: AnyFrame, color: FrameColor) -> CheckedPlanes:
    """The frame as the native operations read it: one array, or two for NV12; on the host.

    Raises:
        InputError: a frame of the wrong form, or an unknown ``color``; the message names it.
        BackendError: it is on a GPU and cannot be fetched.
    """
    frame: Any = host_frame(given)
    if color in ("BGR", "RGB"):
        if not isinstance(frame, np.ndarray) or frame.dtype != _UINT8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise InputError(_frame_message(frame, f"uint8 [H, W, 3] for color={color!r}"))
        _check_sides(frame)
        if frame.strides[1:] != (3, 1) and not _is_packed(frame):
            raise InputError("the frame's pixels must be packed within a row; pass np.ascontiguousarray(frame)")
        return frame, None
    if color == "GRAY8":
        return _check_plane(frame, "uint8 [H, W] for color='GRAY8'"), None
    if color == "NV12":
        return _nv12_planes(frame)
    raise InputError(f"color must be BGR, RGB, GRAY8 or NV12, got {color!r}")


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
    """Whether the values of each row lie side by side; the stride of an axis of length 1 means nothing."""
    return bool(rows[0].flags.c_contiguous)


def _check_sides(frame: NDArray[np.uint8]) -> None:
    if not (0 < frame.shape[0] <= MAX_FRAME_SIDE and 0 < frame.shape[1] <= MAX_FRAME_SIDE):
        raise InputError(f"the frame must be 1..{MAX_FRAME_SIDE} pixels on each side, got shape {frame.shape}")


def _frame_message(frame: Any, what: str) -> str:
    hint = ""
    if isinstance(frame, np.ndarray) and frame.dtype != _UINT8:
        hint = "; pass the camera frame before normalising"
    elif isinstance(frame, np.ndarray) and frame.ndim == 2:
        hint = "; a grey frame needs color='GRAY8'"
    elif frame is None:
        hint = "; the picture could not be read, or the camera gave no frame"
    return f"the frame must be {what}, got {_brief(frame)}{hint}"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
