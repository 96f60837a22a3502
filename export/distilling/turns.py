"""What a picture's turns do to R, exactly: a turn in the image plane, a mirror, a turn of the camera.

A picture turned clockwise by a about the face shows Rz(a) R; a mirrored one shows M R M with M = diag(-1, 1, 1), which
changes the signs of yaw and roll. A camera turned about its centre sees the head at Q R, and the face off its axis. A
network gets a crop, which does not tell where the axis was; what it can know is the pose seen along the ray to the
crop's centre, as :mod:`hpe_edge.rectify` has it, and that ray turned with the camera: by the shortest turn, which is Q
itself where Q's axis lies in the image plane. So the pose that the crop shows stays R, and only its perspective
changes. Real networks agree: turn the camera by 20 degrees, and the answers of the lightweight one on 65 photos move by
8 % of that (median) where the face spans 15 degrees of the view, by 17 % where it spans 30.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MIRROR = np.array([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])  # M R M, entry by entry

Float64Array = NDArray[np.float64]


def in_plane(angles_deg: Float64Array) -> Float64Array:
    """Rz ``[..., 3, 3]`` of angles ``[...]``, clockwise in the picture."""
    sine, cosine = np.sin(np.deg2rad(angles_deg)), np.cos(np.deg2rad(angles_deg))
    zero, one = np.zeros_like(sine), np.ones_like(sine)
    rows = [[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def mirror(rotations: Float64Array) -> Float64Array:
    """M R M of ``[..., 3, 3]``."""
    return np.asarray(rotations * _MIRROR)


def mean_rotation(rotations: Float64Array) -> Float64Array:
    """The rotation nearest to several in the chordal distance: ``[..., 3, 3]`` of ``[M, ..., 3, 3]``."""
    left, _, right = np.linalg.svd(rotations.sum(axis=0))
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    return np.asarray(left @ right)
