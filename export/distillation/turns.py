"""Rotations in the image plane, and the mean of rotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]


def in_plane(angles_deg: Float64Array) -> Float64Array:
    """Rz ``[..., 3, 3]`` of angles ``[...]``, clockwise in the picture."""
    sine, cosine = np.sin(np.deg2rad(angles_deg)), np.cos(np.deg2rad(angles_deg))
    zero, one = np.zeros_like(sine), np.ones_like(sine)
    rows = [[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def mean_rotation(rotations: Float64Array) -> Float64Array:
    """The rotation nearest to several in the chordal distance: ``[..., 3, 3]`` of ``[M, ..., 3, 3]``."""
    left, _, right = np.linalg.svd(rotations.sum(axis=0))
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    return np.asarray(left @ right)
