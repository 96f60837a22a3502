"""Fit of a detector's boxes to the face."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError


@dataclass(frozen=True)
class BoxFit:
    """Position of the landmark box in a detector's box: medians, as fractions of that box's width and height.

    Attributes:
        width, height: of the landmark box.
        down: from the box's centre to the landmark box's. The horizontal offset is 0 but for a yaw-dependent error.
    """

    width: float
    height: float
    down: float

    def __call__(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert a detector's boxes to landmark boxes, both ``[N, 4]``."""
        size = boxes[:, 2:] - boxes[:, :2]
        center = boxes[:, :2] + size * np.array([0.5, 0.5 + self.down], np.float32)
        half = size * np.array([self.width / 2, self.height / 2], np.float32)
        return np.concatenate([center - half, center + half], axis=1)


BoxesFrom: TypeAlias = "str | os.PathLike[str] | BoxFit"


def box_fit(given: BoxesFrom) -> BoxFit:
    """Return the fit of a name, a file or a fit."""
    if isinstance(given, BoxFit):
        return given
    raise InputError(f"unknown detector {given}")
