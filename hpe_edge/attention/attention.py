"""Attention of the faces of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Attention:
    """Attention of N faces: angles relative to the neutral pose."""

    angles: NDArray[np.float32]
