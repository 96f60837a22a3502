"""Images of jetson-utils (``jetson_utils.cudaImage``), read in place.

Their CUDA array interface says ``[height, width, channels]`` for every format: a grey image has three axes, and one of
NV12 claims twice the memory that it has. So its own format is read here.

Source: jetson-utils' ``python/bindings/PyCUDA.cpp`` and ``image/imageFormat.inl``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hpe_edge.errors import InputError
from hpe_edge.ops.frames import AnyFrame, CudaArray, FrameColor

_COLORS: dict[str, FrameColor] = {"rgb8": "RGB", "rgba8": "RGBA", "bgr8": "BGR", "bgra8": "BGRA", "gray8": "GRAY8"}


class JetsonFrame(NamedTuple):
    """A frame, and the ``color`` to pass with it."""

    frame: AnyFrame
    color: FrameColor


class _Image:
    """CUDA's array interface to an image of the shape that its format has; keeps the image."""

    def __init__(self, image: Any, shape: tuple[int, ...]) -> None:
        self._image = image
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": "|u1",
            "data": (int(image.ptr), True),
            "version": 3,  # the stream that writes the image is not known
        }


def cuda_image_frame(image: Any, nv12: FrameColor = "NV12") -> JetsonFrame:
    """Describe an image for :class:`hpe_edge.PoseEngine`, without a copy.

    >>> frame, color = cuda_image_frame(video_source.Capture())
    >>> poses = engine(frame, boxes, color=color)

    Args:
        image: a ``jetson_utils.cudaImage`` of format rgb8, rgba8, bgr8, bgra8, gray8 or nv12.
        nv12: matrix and range of an image of format nv12, which does not tell them.

    Raises:
        InputError: another object or format.
    """
    try:
        format, width, height = str(image.format), int(image.width), int(image.height)
        address = int(image.ptr)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"the image must be a jetson_utils.cudaImage, got {type(image).__name__} ({error})") from None
    if not address:
        raise InputError("the cudaImage has no memory; was it freed, or did Capture() time out?")
    if format == "nv12":
        if height % 2 or width % 2:
            raise InputError(f"an NV12 image has even sides, got {width} x {height}")
        frame: CudaArray = _Image(image, (height * 3 // 2, width))
        return JetsonFrame(frame, nv12)
    color = _COLORS.get(format)
    if color is None:
        raise InputError(
            f"a cudaImage of format {format!r} is not taken; convert it to rgb8 with jetson_utils.cudaConvertColor"
        )
    shape = (height, width) if color == "GRAY8" else (height, width, 4 if color.endswith("A") else 3)
    return JetsonFrame(_Image(image, shape), color)
