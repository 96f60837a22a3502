"""Contrast stretch of dark and flat crops: the first to the 99th percentile of their levels becomes 0 to 255.

Networks are trained on faces in good light. Measured on 200 faces (144 x 144 press photos, Pointing'04), darkened or
flattened, as the mean rotation from the answer in daylight, for the embedded model, Lightweight and FSA-Net: at 10 % of
the light 2.2, 11.5 and 20.8 degrees, stretched 0.9, 2.1 and 1.6; at 5 % 3.7, 22.2 and 24.3, stretched 1.7, 4.3 and 2.7;
at 10 % of the contrast around grey 3.4, 25.7 and 21.2, stretched 0.9, 2.2 and 1.6. A face in good light has a range of
107 levels or more (872 faces, the median is 180), and stretched it changes by 0.6 to 1.2 degrees for no gain.
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
