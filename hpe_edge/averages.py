"""Means and spreads of angles and rotations, and the rotation nearest to a matrix.

As in :mod:`hpe_edge.geometry`: angles in degrees, any leading shape, float32 is kept. Sums are taken in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.geometry import FloatArray

_CANCELLED = 1e-12  # a resultant this short, for weights that sum to 1, is rounding alone


def circular_mean_deg(angles_deg: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """The direction of the sum of unit vectors at these angles.

    Args:
        angles_deg: ``[..., N]``.
        weights: ``[..., N]``, not negative; None weighs all alike.

    Returns:
        ``[...]`` in [-180, 180] degrees; NaN where the directions cancel out, for N = 0 and where an angle is NaN.

    Source: Mardia and Jupp, Directional Statistics, 2000.
    """
    resultant = _resultant(angles_deg, weights)
    mean: FloatArray = np.where(np.abs(resultant) > _CANCELLED, np.rad2deg(np.angle(resultant)), np.nan)
    return mean.astype(_kept_dtype(angles_deg))


def circular_std_deg(angles_deg: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """The circular standard deviation sqrt(-2 ln r), r being the length of the mean of unit vectors at these angles.

    It equals the usual one while the spread is small, and has no upper bound.

    Args:
        angles_deg: ``[..., N]``.
        weights: ``[..., N]``, not negative; None weighs all alike.

    Returns:
        ``[...]`` in degrees; NaN for N = 0 and where an angle is NaN.

    Source: Mardia and Jupp, Directional Statistics, 2000.
    """
    length = np.clip(np.abs(_resultant(angles_deg, weights)), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        # The sum keeps a length of 1 from becoming minus zero.
        deviation: FloatArray = np.rad2deg(np.sqrt(-2.0 * np.log(length) + 0.0))
    return deviation.astype(_kept_dtype(angles_deg))


def nearest_rotation(matrix: ArrayLike) -> FloatArray:
    """The rotation nearest to a matrix in the sum of squared differences, as for one that rounding has bent.

    Args:
        matrix: ``[..., 3, 3]``.

    Returns:
        ``[..., 3, 3]``, determinant 1; NaN where there is no single nearest one (as for zeros) and for a matrix that is
        not finite.

    Source: Kabsch, 1976; Umeyama, 1991, for the determinant.
    """
    m = np.asarray(matrix, np.float64)
    finite = np.isfinite(m).all(axis=(-2, -1), keepdims=True)
    u, s, vt = np.linalg.svd(np.where(finite, m, np.eye(3)))  # which raises for NaN
    handed = np.linalg.det(u @ vt)
    u[..., :, 2] *= np.sign(handed)[..., None]
    unique = s[..., 1] + np.sign(handed) * s[..., 2] > _CANCELLED * s[..., 0]
    rotation: FloatArray = np.where(finite & unique[..., None, None], u @ vt, np.nan)
    return rotation.astype(_kept_dtype(matrix))


def mean_rotation(rotations: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """The chordal L2 mean: the rotation with the least sum of squared distances ||R - R_i||.

    Args:
        rotations: ``[..., N, 3, 3]``.
        weights: ``[..., N]``, not negative; None weighs all alike.

    Returns:
        ``[..., 3, 3]``; NaN where it is not unique, for N = 0 and where a rotation is NaN.

    Source: Hartley et al., Rotation Averaging, 2013.
    """
    r = np.asarray(rotations, np.float64)
    share = _shares(weights, r.shape[:-2])
    mean = nearest_rotation((r * share[..., None, None]).sum(axis=-3))
    return mean.astype(_kept_dtype(rotations))


def _resultant(angles_deg: ArrayLike, weights: ArrayLike | None) -> NDArray[np.complex128]:
    angles = np.asarray(angles_deg, np.float64)
    if angles.shape[-1] == 0:
        return np.full(angles.shape[:-1], np.nan, np.complex128)
    resultant: NDArray[np.complex128] = np.asarray(
        (np.exp(1j * np.deg2rad(angles)) * _shares(weights, angles.shape)).sum(axis=-1)
    )
    return resultant


def _shares(weights: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Weights that sum to 1 along the last axis; NaN where they sum to 0."""
    w = np.broadcast_to(np.asarray(1.0 if weights is None else weights, np.float64), shape)
    total = w.sum(axis=-1, keepdims=True)
    return w / np.where(total > 0, total, np.nan)


def _kept_dtype(values: ArrayLike) -> type[np.floating]:
    return np.float32 if np.asarray(values).dtype == np.float32 else np.float64
