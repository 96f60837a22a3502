"""A whole frame as a network's input: resized with its aspect kept, placed at the top left, the rest filled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hpe_edge.ops.ops import crop_normalize
from hpe_edge.spec import Crop, Input

_WHOLE = Crop(square="none")  # fill 0, before normalisation


def letterbox(frame_bgr: NDArray[np.uint8], width: int, height: int, scale: float, input: Input) -> NDArray[np.float32]:
    """Resize, place at the top left, pad with black and normalise, in one pass.

    Args:
        frame_bgr: uint8 ``[H, W, 3]``.
        width, height: of the result.
        scale: frame pixels per pixel of the result; the frame must fit: ``W <= width * scale``, and H likewise. A point
            of the result times ``scale`` is the point of the frame.
        input: colour order and normalisation; its size plays no part.

    Returns:
        float32 ``[1, 3, height, width]``, C-contiguous.

    Raises:
        InputError: the frame does not have the form above.
    """
    side = max(width, height)
    reach = side * scale
    square = crop_normalize(frame_bgr, [[0.0, 0.0, reach, reach]], _WHOLE, replace(input, size=side))
    return np.ascontiguousarray(square[:, :, :height, :width])
