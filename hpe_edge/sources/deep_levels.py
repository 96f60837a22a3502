"""Pictures of more than 8 bits per level, read by the range that their levels really have.

A file of 16 bits often holds 10, 12 or 14 of a camera, or the narrow range of a thermal one. Read by the nominal range,
as image libraries do, such pictures are black or flat.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_DEPTHS = (8, 10, 12, 14, 16)  # bits of cameras
_EXTREMES = (0.05, 99.95)  # percentiles; beyond them lie defective pixels
FULL_RANGE = "levels of 16 bits"
"""The range of :func:`to_8_bits` for a picture that uses all of 16 bits."""

_NARROW = 0.25  # of the depth's range; a narrower one is stretched


def to_8_bits(image: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Convert a picture to levels 0..255; return it, and the range that was taken, for a note.

    The range is that of the fewest bits that hold the largest level, of 8, 10, 12, 14 and 16; of floats 0 to 1 or 0 to
    255. Where the levels take less than a quarter of it, or exceed it, their own range is taken, so that a picture of a
    thermal or infrared camera keeps its steps.

    Args:
        image: uint16, int16 or float, any shape; NaN becomes 0.
    """
    levels = image.astype(np.float32)
    finite = levels[np.isfinite(levels)]
    if not finite.size:
        return np.zeros(image.shape, np.uint8), "no finite levels"
    low, high = np.percentile(finite, _EXTREMES)
    most, least = float(finite.max()), float(finite.min())
    if image.dtype.kind == "f":
        span, known = (1.0, "levels 0 to 1") if most <= 1 else (255.0, "levels 0 to 255")
    else:
        bits = next(bits for bits in _DEPTHS if most < 2**bits)
        span, known = float(2**bits - 1), f"levels of {bits} bits"
    if least >= 0 and most <= span and (high - low >= _NARROW * span or high <= low):
        if image.dtype.kind != "f":
            return (image >> (bits - 8)).astype(np.uint8), known
        low, high = 0.0, span
    else:
        known = f"levels {low:g} to {high:g}"
    scaled = np.nan_to_num((levels - low) * np.float32(255 / max(high - low, 1e-12)), nan=0.0, posinf=255.0, neginf=0.0)
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8), known
