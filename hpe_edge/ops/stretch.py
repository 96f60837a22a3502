"""Contrast stretch of dark and flat crops: the first to the 99th percentile of their levels becomes 0 to 255.

Networks are trained on faces in good light: at a tenth of it, Lightweight and FSA-Net are off by 7 and 18 degrees from
their answers in daylight, stretched by 2 and 1. The limit lies below the range of every face in good light that was
looked at, for which a stretch gains nothing. ``python -m benchmarks consistency`` measures both; docs/video.md has the
figures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.ops.crop import crop_arguments
from hpe_edge.ops.native import native
from hpe_edge.spec import Crop, Input

SMALL_RANGE: float = native.STRETCH["SMALL_RANGE"]  # levels between the percentiles below which a crop is stretched


class ContrastStretch:
    """Stretch of a model's crops, in place. Thread-safe. The rule is csrc/crop/stretch.h's."""

    def __init__(self, crop: Crop, input: Input, *, channels_last: bool = False) -> None:
        """
        Args:
            crop: of the engine; the fill outside the frame is not counted, and not changed.
            input: size and normalisation of the crops.
            channels_last: the crops are padded pixels, see :func:`hpe_edge.ops.crop.crop_arguments`.
        """
        self._op = native.ContrastStretch(**crop_arguments(crop, input, channels_last))

    def __call__(self, crops: NDArray[Any], stretched: NDArray[np.bool_]) -> None:
        """Stretch the crops of small range.

        Args:
            crops: ``[N, 3, size, size]`` in the input's dtype, normalised, C-contiguous; or, of channels-last pixels,
                the view of :func:`hpe_edge.ops.crop.planes_of`.
            stretched: ``[N]``, C-contiguous, which tells the stretched ones.
        """
        self._op.run(crops, stretched)
