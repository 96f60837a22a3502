"""Crop and normalise faces in one pass: checked interface of the native operation.

Arguments are checked here, once; the C++ code trusts them.
"""

from __future__ import annotations

import functools
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError
from hpe_edge.ops.frames import AnyFrame, CheckedPlanes, FrameColor, brief, check_boxes, frame_planes
from hpe_edge.ops.native import native
from hpe_edge.spec import PADDED_CHANNELS, Crop, Input, Square

FORMATS: dict[FrameColor, native.PixelFormat] = {
    "BGR": native.PixelFormat.COLOR,
    "RGB": native.PixelFormat.COLOR,
    "BGRA": native.PixelFormat.COLOR4,
    "RGBA": native.PixelFormat.COLOR4,
    "GRAY8": native.PixelFormat.GRAY8,
    "NV12": native.PixelFormat.NV12,
    "NV12_601_FULL": native.PixelFormat.NV12,
    "NV12_709": native.PixelFormat.NV12,
    "NV12_709_FULL": native.PixelFormat.NV12,
}
_YUV_RULES: dict[FrameColor, native.YuvRule] = {
    "NV12_601_FULL": native.YuvRule.BT601_FULL,
    "NV12_709": native.YuvRule.BT709,
    "NV12_709_FULL": native.YuvRule.BT709_FULL,
}
_OUTPUT: dict[str, native.OutputType] = {
    "float32": native.OutputType.FLOAT32,
    "float16": native.OutputType.FLOAT16,
    "uint8": native.OutputType.UINT8,
}
_SQUARE: dict[Square, native.Square] = {
    "extend": native.Square.EXTEND,
    "shrink": native.Square.SHRINK,
    "none": native.Square.NONE,
}


class CropArguments(TypedDict):
    """Arguments of ``native.CropNormalize`` and ``native.CropLaunch``."""

    margins: tuple[float, ...]
    square: native.Square
    clip: bool
    antialias: bool
    fill: tuple[float, ...]
    size: int
    gain: tuple[float, ...]
    bias: tuple[float, ...]
    output: native.OutputType


def crop_arguments(crop: Crop, input: Input, channels_last: bool = False) -> CropArguments:
    """Return the native arguments of a crop and its normalisation.

    Args:
        crop: window around a box.
        input: size, colour order and normalisation of the result.
        channels_last: write ``[N, size, size, 8]`` with five channels of 0, the format of a TensorRT input whose
            ``allowed_formats`` are kHWC8, in place of ``[N, 3, size, size]``.

    Raises:
        InputError: channels last in another dtype than float16.
    """
    if channels_last and input.dtype != "float16":
        raise InputError(f"channels_last writes float16, but the input's dtype is {input.dtype}; leave it out")
    return {
        "margins": crop.margins,
        "square": _SQUARE[crop.square],
        "clip": crop.clip,
        "antialias": crop.resampling == "antialias",
        "fill": crop.fill,
        "size": input.size,
        "gain": tuple(input.scale / std for std in input.std),
        "bias": tuple(-mean / std for mean, std in zip(input.mean, input.std, strict=True)),
        "output": native.OutputType.FLOAT16_HWC8 if channels_last else _OUTPUT[input.dtype],
    }


def planes_of(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return channels-last pixels ``[N, size, size, 8]`` as a view ``[N, 3, size, size]``, without the padding."""
    planes: NDArray[Any] = pixels[..., :3].transpose(0, 3, 1, 2)
    return planes


def swaps_colors(color: FrameColor, input: Input) -> bool:
    """Return True if the channel orders of frame and network differ."""
    return ("RGB" if color.startswith("RGB") else "BGR") != input.color


def yuv_rule(color: FrameColor) -> native.YuvRule:
    """Return the matrix and range of an NV12 format; of other formats one that is not used."""
    return _YUV_RULES.get(color, native.YuvRule.BT601)


def isa_names() -> list[str]:
    """Return the instruction sets that this build contains and this processor supports, best first."""
    return native.isa_names()


class CropNormalize:
    """crop_normalize with fixed parameters: a call checks only the frame, the boxes and the output."""

    def __init__(self, crop: Crop, input: Input, isa: str = "", *, channels_last: bool = False) -> None:
        """
        Args:
            crop: window around a box.
            input: size, colour order and normalisation of the result.
            isa: one of :func:`isa_names`; empty takes the best. For tests and benchmarks.
            channels_last: results are ``[N, size, size, 8]``, see :func:`crop_arguments`.

        Raises:
            InputError: see :func:`crop_arguments`.
        """
        self.crop = crop
        self.input = input
        self.dtype = np.dtype(input.dtype)
        planes, pixels = (3, input.size, input.size), (input.size, input.size, PADDED_CHANNELS)
        self.face_shape = pixels if channels_last else planes
        arguments = crop_arguments(crop, input, channels_last)
        self._ops = {
            color: native.CropNormalize(
                **arguments, swap_colors=swaps_colors(color, input), format=format, yuv=yuv_rule(color), isa=isa
            )
            for color, format in FORMATS.items()
        }

    def __call__(
        self,
        frame: AnyFrame,
        boxes: ArrayLike,
        out: NDArray[Any] | None = None,
        *,
        turns_deg: ArrayLike | None = None,
        color: FrameColor = "BGR",
    ) -> NDArray[Any]:
        """Crop every box; see :func:`crop_normalize`."""
        planes = frame_planes(frame, color)
        checked = check_boxes(boxes)
        turns = None if turns_deg is None else check_turns(turns_deg, len(checked))
        out = self._room(len(checked), out)
        self.crop_checked(planes, checked, out, color, turns)
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
        self,
        planes: CheckedPlanes,
        boxes: NDArray[np.float32],
        out: NDArray[Any],
        color: FrameColor,
        turns_deg: NDArray[np.float32] | None = None,
    ) -> None:
        """Crop every box, without checking the arguments again.

        Args:
            planes: of :func:`frame_planes`, for the same ``color``.
            boxes: of :func:`check_boxes`.
            out: ``[N, *face_shape]`` in the input's dtype, C-contiguous; or, of channels-last pixels, the view of
                :func:`planes_of`.
            color: pixel format of the frame.
            turns_deg: of :func:`check_turns`; None: no turns.
        """
        self._ops[color].boxes(*planes, boxes, turns_deg, out)

    def warp_checked(
        self, planes: CheckedPlanes, homographies: NDArray[np.float64], out: NDArray[Any], color: FrameColor
    ) -> None:
        """Like :meth:`crop_checked`, with homographies of :func:`check_homographies`."""
        self._ops[color].warp(*planes, homographies, out)

    def maps(
        self, boxes: NDArray[np.float32], turns_deg: NDArray[np.float32] | None, size_wh: tuple[int, int]
    ) -> NDArray[np.float64]:
        """Return the way back from each crop, whose corners are (0, 0) and (1, 1), to the frame's pixels.

        Args:
            boxes, turns_deg: see :meth:`crop_checked`.
            size_wh: width and height of the frame.

        Returns:
            ``[N, 2, 3]``: x and y are its product with (u, v, 1).
        """
        maps = np.empty((len(boxes), 2, 3))
        self._ops["BGR"].maps(boxes, turns_deg, *size_wh, maps)
        return maps

    def _room(self, count: int, out: NDArray[Any] | None) -> NDArray[Any]:
        shape = (count, *self.face_shape)
        if out is None:
            return np.empty(shape, self.dtype)
        if out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous or not out.flags.writeable:
            raise InputError(
                f"out must be a writeable, C-contiguous {self.dtype} array {shape}, got {out.dtype} {out.shape}"
            )
        return out


@functools.lru_cache(maxsize=32)
def cached_crop(crop: Crop, input: Input) -> CropNormalize:
    """Return the operation with these parameters, created once."""
    return CropNormalize(crop, input)


def crop_normalize(
    frame: AnyFrame,
    boxes: ArrayLike,
    crop: Crop,
    input: Input,
    out: NDArray[Any] | None = None,
    *,
    turns_deg: ArrayLike | None = None,
    color: FrameColor = "BGR",
) -> NDArray[Any]:
    """Crop boxes from a frame and convert them to the network's input, in one pass.

    Equals cropping the window (box, margins, square, clip), resizing, swapping channels and normalising, without
    rounding in between. Pixels of the window outside the frame are ``crop.fill``.

    A turned crop is the window turned clockwise about the centre of its box, so that a face of that roll stands upright
    in it. Margins and square apply along the turned axes; a turn beyond 45 degrees exchanges the box's sides. It is not
    clipped at the frame's edges, whatever ``crop.clip`` is, and sampling sees the pixels beside the window.

    Args:
        frame: uint8 ``[H, W, 3]`` (BGR or RGB), ``[H, W, 4]`` (BGRA or RGBA), ``[H, W]`` (GRAY8), or NV12 as
            ``[H * 3 / 2, W]`` or as a pair of planes Y ``[H, W]`` and UV ``[H / 2, W / 2, 2]``, each with its own row
            stride. Rows may be padded or bottom-up; pixels within a row must be packed. DLPack tensors and arrays on a
            GPU, which are copied to the host, are accepted as well; see :mod:`hpe_edge.ops.frames`.
        boxes: ``[N, 4]`` numbers x1 y1 x2 y2 in pixels, x2 and y2 exclusive; may leave the frame. N may be 0.
        crop: window around a box.
        input: size, colour order and normalisation of the result.
        out: array ``[N, 3, size, size]`` of the input's dtype to fill; allocated if None.
        turns_deg: ``[N]``, turn of each crop in degrees, above 0 clockwise; None: no turns.
        color: pixel format of the frame.

    Returns:
        ``[N, 3, size, size]`` in the input's dtype; ``out`` when given.

    Raises:
        InputError: an invalid frame, box, turn or ``out``; the message names it.
    """
    return cached_crop(crop, input)(frame, boxes, out, turns_deg=turns_deg, color=color)


def warp_normalize(
    frame: AnyFrame,
    homographies: ArrayLike,
    crop: Crop,
    input: Input,
    out: NDArray[Any] | None = None,
    *,
    color: FrameColor = "BGR",
) -> NDArray[Any]:
    """Warp a frame with one homography per face, otherwise as :func:`crop_normalize`: the rectifying warp.

    Args:
        frame: see :func:`crop_normalize`.
        homographies: ``[N, 3, 3]``, from the output picture, whose corners are (0, 0) and (size, size), to the frame's
            pixels.
        crop: fill and resampling apply; margins, square and clip are ignored.
        input: size, colour order and normalisation of the result.
        out: array ``[N, 3, size, size]`` of the input's dtype to fill; allocated if None.
        color: pixel format of the frame.

    Returns:
        ``[N, 3, size, size]`` in the input's dtype; ``out`` when given.

    Raises:
        InputError: an invalid argument; the message names it.
    """
    return cached_crop(crop, input).warp(frame, homographies, out, color=color)


def check_homographies(homographies: ArrayLike) -> NDArray[np.float64]:
    """Check homographies; return float64 ``[N, 3, 3]``, C-contiguous. An empty list is N = 0.

    Raises:
        InputError: not ``[N, 3, 3]`` finite numbers.
    """
    try:
        array = np.ascontiguousarray(homographies, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"homographies must be [N, 3, 3] numbers, got {brief(homographies)} ({error})") from None
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


def check_turns(turns_deg: ArrayLike, count: int) -> NDArray[np.float32]:
    """Check turns; return float32 ``[N]``, C-contiguous.

    Raises:
        InputError: not one finite number per box.
    """
    try:
        array = np.ascontiguousarray(turns_deg, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"turns_deg must be [N] numbers, got {brief(turns_deg)} ({error})") from None
    if array.shape != (count,):
        raise InputError(f"turns_deg must have one number per box, got shape {array.shape} for {count} boxes")
    if not np.isfinite(array).all():
        raise InputError(f"turns_deg must be finite, got {array.tolist()}")
    return array
