"""Random frames of every pixel format."""

from __future__ import annotations

import numpy as np

from hpe_edge.ops.frames import CHANNELS


def frame_of(rng: np.random.Generator, color: str, height: int, width: int) -> np.ndarray:
    """Random bytes of a frame in a format; NV12 as one array."""
    channels = CHANNELS.get(color)  # type: ignore[call-overload]
    if channels:
        return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return rng.integers(0, 256, (height * 3 // 2 if color.startswith("NV12") else height, width), dtype=np.uint8)
