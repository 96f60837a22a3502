"""Densest pose among many: robust to glances, which are other clusters of poses.

1. The pose with the most time around it, by an Epanechnikov kernel of 12 degrees.
2. Mean shift on rotations: the weighted mean of the turns from the centre, with the weight 1 - (d / r)^2 of a pose at
   the distance d < r, until the centre rests. r is 3 times the standard deviation of the poses about the centre,
   taken from the lower quartile of their distances, which a second cluster at the side hardly moves.

With poses that scatter by 2 degrees about each axis and 40 percent of the time spent on glances 12 to 35 degrees away,
this is nearly as exact as the mean of the poses that are no glances.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.attention.neutral import STEADY_DEG
from hpe_edge.geometry import quaternion_from_rotvec, rotation_from_quaternion, rotvec_from_quaternion

Float64Array = NDArray[np.float64]

_MOST_CANDIDATES = 256
_QUARTILE_SIGMAS = 1.101  # lower quartile of the length of a three-dimensional normal vector
_RADIUS_SIGMAS, _LEAST_RADIUS_DEG = 3.0, 3.0
_MOST_STEPS, _AT_REST_DEG = 60, 1e-3


def rotation_mode(quaternions: Float64Array, weights: Float64Array) -> tuple[Float64Array, float]:
    """Return the densest rotation and the spread about it.

    Args:
        quaternions: ``[N, 4]``, unit, N > 0.
        weights: ``[N]``, 0 or more, not all 0.

    Returns:
        The rotation ``[3, 3]``, and the distance in degrees within which half of the weight lies.
    """
    centre = _densest(quaternions, weights)
    radius_deg = STEADY_DEG
    for _ in range(_MOST_STEPS):
        turns, distance_deg = _turns(centre, quaternions)
        tapered = weights * np.maximum(0, 1 - (distance_deg / radius_deg) ** 2)
        shift = tapered @ turns / tapered.sum()
        centre = _after(centre) @ quaternion_from_rotvec(shift)
        near = distance_deg < STEADY_DEG
        sigma_deg = _quantile(distance_deg[near], weights[near], 0.25) / _QUARTILE_SIGMAS
        radius_deg = float(np.clip(_RADIUS_SIGMAS * sigma_deg, _LEAST_RADIUS_DEG, STEADY_DEG))
        if np.rad2deg(np.linalg.norm(shift)) < _AT_REST_DEG:
            break
    spread_deg = _quantile(_turns(centre, quaternions)[1], weights, 0.5)
    return rotation_from_quaternion(centre).astype(np.float64), spread_deg


def _densest(quaternions: Float64Array, weights: Float64Array) -> Float64Array:
    """Return the pose ``[4]`` with the most weight around it, of candidates spread over time."""
    count = min(len(quaternions), _MOST_CANDIDATES)
    candidates = quaternions[np.linspace(0, len(quaternions) - 1, count).astype(np.intp)]
    # The chord of half the angle: the square of a small angle in radians is 8 (1 - |cos(angle / 2)|).
    squared = 8 * (1 - np.minimum(np.abs(candidates @ quaternions.T), 1))
    density = np.maximum(0, 1 - squared / np.deg2rad(STEADY_DEG) ** 2) @ weights
    densest: Float64Array = candidates[np.argmax(density)]
    return densest


def _turns(centre: Float64Array, quaternions: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return rotation vectors ``[N, 3]`` in radians from the centre and their lengths ``[N]`` in degrees."""
    turns = rotvec_from_quaternion(quaternions @ _after(centre * [1, -1, -1, -1]).T).astype(np.float64)
    return turns, np.rad2deg(np.linalg.norm(turns, axis=1))


def _after(quaternion: Float64Array) -> Float64Array:
    """Return the matrix ``[4, 4]`` of the product of a quaternion with the one to its right."""
    w, x, y, z = quaternion
    return np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])


def _quantile(values: Float64Array, weights: Float64Array, share: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1])])
