"""Reading of one picture, turned upright by its EXIF orientation or the transforms of its container.

OpenCV reads most formats. HEIC needs the package pillow-heif; of AVIF, OpenCV ignores the turns and mirrors, so such
files are read by Pillow.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.sources.deep_levels import FULL_RANGE, to_8_bits
from hpe_edge.sources.frame import checked_sides

HEIC_SUFFIXES = frozenset({".heic", ".heif"})
PICTURE_SUFFIXES = HEIC_SUFFIXES | {".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

# Formats that do not state how many of 16 bits are used.
_TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
_DEEP_TYPES = (np.uint16, np.int16, np.float32, np.float64)
_PNG_OF_16_BITS = b"\x10"  # in its header

_TURNS = (b"irot", b"imir")  # properties in the box "meta" of an AVIF file, which follows the box "ftyp"
_INSTALL = "run pip install 'hpe-edge[heif]'"


class MissingPackageError(SourceError):
    """A picture of a format that needs a package which is not installed."""


class Picture(NamedTuple):
    """A picture of a file.

    Attributes:
        image: uint8 ``[H, W, 3]``, BGR, upright.
        animated: it is the first of an animation.
        deep: levels that a file of more than 8 bits was read by, if not by its nominal ones; else empty.
    """

    image: NDArray[np.uint8]
    animated: bool = False
    deep: str = ""


def read_picture(file: Path) -> Picture:
    """Read a picture.

    Raises:
        MissingPackageError: the format needs a package that is not installed.
        SourceError: it cannot be read.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}") from None
    suffix = file.suffix.lower()
    if suffix in HEIC_SUFFIXES:
        return Picture(checked_sides(str(file), _read_heic(file, data)))
    if suffix == ".avif":
        return Picture(checked_sides(str(file), _read_avif(file, data)))
    image, deep = _by_opencv(data, cv2.IMREAD_COLOR), ""
    if suffix in _TIFF_SUFFIXES or (suffix == ".png" and data[24:25] == _PNG_OF_16_BITS):
        image, deep = _by_real_range(data, image)
    if image is None:
        raise SourceError(
            f"{file} cannot be read: damaged, in another format than its extension, or of a size or pixel type that "
            "OpenCV does not read; convert it to an 8-bit PNG or JPEG"
        )
    # WebP's extended header: its flags follow 8 bytes of RIFF, 8 of WEBPVP8X and 4 of size; bit 1 is for animation.
    animated = data[8:16] == b"WEBPVP8X" and bool(data[20] & 2)
    return Picture(checked_sides(str(file), image), animated, deep)


def _by_opencv(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        # Not by cv2.imread, which cannot open all names.
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # empty, or more pixels than OpenCV takes
        return None


def _by_real_range(data: bytes, plain: NDArray[Any] | None) -> tuple[NDArray[Any] | None, str]:
    """Read a file that may have more than 8 bits; ``plain`` is what OpenCV makes of it, which 16 full bits keep."""
    image = _by_opencv(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None:
        image = _by_opencv(data, cv2.IMREAD_UNCHANGED)  # single floats
        if image is not None and image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
    if image is None or image.shape[2:] != (3,) or image.dtype not in _DEEP_TYPES:
        return plain, ""
    levels, deep = to_8_bits(image)
    return (plain, "") if plain is not None and deep == FULL_RANGE else (levels, deep)


def _read_heic(file: Path, data: bytes) -> NDArray[Any]:
    if find_spec("pillow_heif") is None:
        raise MissingPackageError(f"{file} is a HEIC picture, which needs the package pillow-heif; {_INSTALL}")
    import pillow_heif

    try:
        image = np.asarray(pillow_heif.open_heif(data, bgr_mode=True))
    except (ValueError, RuntimeError, OSError, MemoryError) as error:
        raise SourceError(f"{file} cannot be read as HEIC ({error}); convert it to a JPEG") from None
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else np.ascontiguousarray(image[:, :, :3])


def _read_avif(file: Path, data: bytes) -> NDArray[Any]:
    start = int.from_bytes(data[:4], "big")
    meta = data[start : start + int.from_bytes(data[start : start + 4], "big")]
    turned = any(each in meta for each in _TURNS)
    image = None if turned else _by_opencv(data, cv2.IMREAD_COLOR)
    if image is not None:
        return image
    if find_spec("PIL") is None:
        why = "it is turned, which OpenCV ignores" if turned else "OpenCV cannot read it"
        raise MissingPackageError(f"{file} is an AVIF picture that needs the package Pillow ({why}); {_INSTALL}")
    from PIL import Image, ImageOps, features

    if not features.check("avif"):
        raise MissingPackageError(f"{file} is an AVIF picture, which needs Pillow 11.3 or newer; {_INSTALL}")
    try:
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[:, :, ::-1])
    except (ValueError, OSError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        raise SourceError(f"{file} cannot be read as AVIF ({error}); convert it to a JPEG") from None
