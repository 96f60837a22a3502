"""Crops of distorted frames: the homography nearest to the lens' own mapping of a crop.

Within a face's crop a lens bends lines by little, so the warp that rectifies faces serves: its homography is fitted, by
least squares, to the distorted positions of a grid of the crop's points.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

# Largest distance of a point from its place, in sides of the crop: about what separates boxes of two detectors.
LARGEST_MISFIT = 0.03
_SIDE = 7  # points of the grid


def fit_distorted(
    distort: Callable[[Float64Array], Float64Array], homographies: Float64Array, size: int
) -> tuple[Float64Array, Float64Array]:
    """Fit homographies to a lens.

    Points of a crop beyond the lens' reach are left out; where less than half are left, the misfit is infinite.

    Args:
        distort: maps pixels ``[K, 2]`` of the frame without distortion to the distorted one's; NaN beyond its reach.
        homographies: ``[N, 3, 3]`` from the crops to the frame without distortion.
        size: side of the crops in pixels.

    Returns:
        Homographies ``[N, 3, 3]`` from the crops to the distorted frame, and the largest misfits ``[N]`` in sides.
    """
    steps = np.linspace(0, size, _SIDE)
    grid = np.stack([*np.meshgrid(steps, steps), np.ones((_SIDE, _SIDE))], axis=-1).reshape(-1, 3)
    fitted, off = homographies.copy(), np.full(len(homographies), np.inf)
    for i, flat in enumerate(homographies):
        at = grid @ flat.T
        seen = distort(at[:, :2] / at[:, 2:])
        known = np.isfinite(seen).all(axis=1)
        if 2 * np.count_nonzero(known) < len(grid):
            continue
        fitted[i] = _homography(grid[known], seen[known], size)
        back = np.linalg.solve(fitted[i], np.column_stack([seen[known], np.ones(np.count_nonzero(known))]).T).T
        off[i] = np.linalg.norm(back[:, :2] / back[:, 2:] - grid[known][:, :2], axis=1).max() / size
    return fitted, off


def _homography(points: Float64Array, seen: Float64Array, size: int) -> Float64Array:
    """Return the homography ``[3, 3]`` from ``points`` ``[K, 3]`` to ``seen`` ``[K, 2]``, by the linear equations.

    Both are shifted and scaled to about 1 first, as Hartley advises.
    """
    middle, scale = seen.mean(axis=0), max(float(np.abs(seen - seen.mean(axis=0)).max()), 1e-9)
    to_unit = np.array([[2 / size, 0, -1], [0, 2 / size, -1], [0, 0, 1]])
    p, (u, v) = points @ to_unit.T, ((seen - middle) / scale).T
    none = np.zeros_like(p)
    rows = np.concatenate([np.hstack([p, none, -u[:, None] * p]), np.hstack([none, p, -v[:, None] * p])])
    unit = np.linalg.svd(rows, full_matrices=False)[2][-1].reshape(3, 3)
    from_unit = np.array([[scale, 0, middle[0]], [0, scale, middle[1]], [0, 0, 1]])
    found: Float64Array = from_unit @ unit @ to_unit
    found /= found[2, 2]
    return found
