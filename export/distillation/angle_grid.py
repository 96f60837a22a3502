"""The common angle grid of teachers and students.

A distribution is ``[..., COUNT]`` probabilities; entry k is ``FIRST_DEG + k * STEP_DEG``. The grid is symmetric about
0, so mirroring a face reverses its distributions in yaw and roll.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.geometry import wrap_deg
from hpe_edge.spec import BinHead

FIRST_DEG, STEP_DEG, COUNT = -97.5, 3.0, 66
CENTERS_DEG = FIRST_DEG + STEP_DEG * np.arange(COUNT)

Floats = NDArray[np.floating]


def rebinned(probabilities: Floats, head: BinHead) -> Floats:
    """Another grid's probabilities ``[N, head.count]`` on this one, ``[N, COUNT]``.

    Each bin is split between the two nearest entries, which preserves the mean; beyond the grid it goes to the last.
    """
    angles = wrap_deg(head.first_deg + head.step_deg * np.arange(head.count, dtype=np.float64))
    at = np.clip((angles - FIRST_DEG) / STEP_DEG, 0, COUNT - 1)
    below = np.minimum(at.astype(int), COUNT - 2)
    spread = np.zeros((head.count, COUNT))
    rows = np.arange(head.count)
    spread[rows, below] = 1 - (at - below)
    spread[rows, below + 1] = at - below
    return np.asarray(probabilities @ spread)


def narrow(angles_deg: Floats, width_deg: Floats) -> Floats:
    """Normal distributions about angles ``[...]`` with standard deviations ``[...]``: ``[..., COUNT]``.

    An angle outside the grid becomes its last entry.
    """
    inside = np.clip(angles_deg, CENTERS_DEG[0], CENTERS_DEG[-1])[..., None]
    # A narrower distribution would vanish between two entries.
    width = np.maximum(width_deg, STEP_DEG / 3)[..., None]
    density = np.exp(-0.5 * ((CENTERS_DEG - inside) / width) ** 2)
    return np.asarray(density / density.sum(axis=-1, keepdims=True))


def mirrored(distributions: Floats) -> Floats:
    """Distributions ``[..., 3, COUNT]`` of the mirrored faces: yaw and roll change their sign, pitch does not."""
    turned = np.array(distributions)
    turned[..., 0, :], turned[..., 2, :] = distributions[..., 0, ::-1], distributions[..., 2, ::-1]
    return turned


def expectation(distributions: Floats) -> Floats:
    """Means in degrees, ``[...]`` of ``[..., COUNT]``."""
    return np.asarray(distributions @ CENTERS_DEG.astype(distributions.dtype))
