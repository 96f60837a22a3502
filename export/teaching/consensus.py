"""Consensus of several teachers on the pose of every face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.teaching.arrays import Float64Array, Labels
from hpe_edge.geometry import geodesic_deg, wrap_deg, zxy_from_rotation

# |yaw| in degrees at which a teacher's three weights hold; between them they are interpolated.
_WEIGHTS_AT_DEG = (15.0, 45.0, 75.0)
# A teacher counts half as much on a face where it is this far from the others, or its own looks are.
_DISTANCE_DEG, _SCATTER_DEG = 8.0, 6.0
_ROUNDS = 6
_NEAR_DEG = 25.0  # a teacher's offset is measured on the faces where it is not further off
_FARTHEST_DEG = 30.0  # larger disagreements count as this in the widths
_LEAST_WIDTH_DEG = 1.5


@dataclass(frozen=True)
class Opinion:
    """One teacher's rotations.

    Attributes:
        name: of the teacher.
        looks: float32 ``[N, LOOKS, 3, 3]``.
        weights: near frontal, half turned, profile; see :func:`agree`.
        aligned: the teacher has a convention of its own: a constant rotation of the head is measured and undone.
    """

    name: str
    looks: NDArray[np.float32]
    weights: tuple[float, float, float]
    aligned: bool


@dataclass(frozen=True)
class Consensus:
    """Labels by all teachers.

    Attributes:
        labels: the labels.
        disagreement_deg: float64 ``[N]``, weighted mean distance of the teachers from the labels.
        by_teacher_deg: float64 ``[T, N]``, distance of each.
    """

    labels: Labels
    disagreement_deg: Float64Array
    by_teacher_deg: Float64Array


def agree(opinions: Sequence[Opinion]) -> Consensus:
    """Weigh the teachers against each other.

    The rotation of a face is the weighted mean of the teachers', projected to the nearest rotation. A teacher's weight
    is that of the face's yaw, and smaller where the teacher is far from the consensus or its looks are from each other.

    Args:
        opinions: at least one of them not ``aligned``: they fix the convention.
    """
    own = [nearest_rotation(each.looks.astype(np.float64).mean(axis=1)) for each in opinions]
    scatter = np.stack(
        [np.median(geodesic_deg(each.looks, mean[:, None]), axis=1) for each, mean in zip(opinions, own, strict=True)]
    )
    fixed = [mean for each, mean in zip(opinions, own, strict=True) if not each.aligned]
    convention = nearest_rotation(np.sum(fixed, axis=0))
    for number, each in enumerate(opinions):
        if each.aligned:
            own[number] = own[number] @ _offset(own[number], convention)
    rotations = np.stack(own)
    agreed = convention
    for _ in range(_ROUNDS):
        trust = 1 / ((1 + (geodesic_deg(rotations, agreed) / _DISTANCE_DEG) ** 2) * (1 + (scatter / _SCATTER_DEG) ** 2))
        agreed = nearest_rotation(np.einsum("tn,tnij->nij", _weights(opinions, agreed) * trust, rotations))
    distance = np.asarray(geodesic_deg(rotations, agreed), np.float64)
    weights = _weights(opinions, agreed)
    weights /= weights.sum(axis=0)
    apart = np.clip(wrap_deg(zxy_from_rotation(rotations) - zxy_from_rotation(agreed)), -_FARTHEST_DEG, _FARTHEST_DEG)
    widths = np.sqrt((weights[..., None] * apart**2).sum(axis=0) + _LEAST_WIDTH_DEG**2)
    return Consensus(Labels(agreed, widths), (weights * distance).sum(axis=0), distance)


def nearest_rotation(matrices: NDArray[np.floating]) -> Float64Array:
    """The rotations nearest to matrices ``[..., 3, 3]``, by the singular value decomposition."""
    left, _, right = np.linalg.svd(np.asarray(matrices, np.float64))
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    return np.asarray(left @ right)


def _weights(opinions: Sequence[Opinion], rotations: Float64Array) -> Float64Array:
    """``[T, N]`` by the yaw of each face."""
    yaw = np.abs(zxy_from_rotation(rotations)[:, 0])
    return np.stack([np.interp(yaw, _WEIGHTS_AT_DEG, each.weights) for each in opinions])


def _offset(rotations: Float64Array, convention: Float64Array) -> Float64Array:
    """The rotation of the head by which a teacher's convention differs: rotations @ offset is nearest."""
    near = geodesic_deg(rotations, convention) < _NEAR_DEG
    if not near.any():
        near[:] = True
    return nearest_rotation(np.einsum("nji,njk->ik", rotations[near], convention[near]))
