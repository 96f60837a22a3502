"""Training targets of each face: the teachers' weighted mean distribution and mean angles."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.distillation import angle_grid
from export.distillation.arrays import Float64Array, Predictions
from hpe_edge.errors import InputError
from hpe_edge.geometry import difference_deg, euler_from_rotation, euler_near, rotation_from_euler

_AGREEMENT_DEG = 10.0  # at this distance a teacher counts 1 / e of the first one
_DEVIATION = math.sqrt(math.pi / 2)  # of a normal distribution over its mean absolute error, which outliers hardly move


class Targets:
    """The mean of all teachers' distributions: equation 4 of EHPNet's paper, with weights.

    The first teacher leads: another one counts as much as it where both agree, and the less the farther they are apart.
    Scenes are stranger than what teachers learned from, and one that is lost there would spoil the mean.

    Attributes:
        angles: float64 ``[N, 3]``, yaw, pitch, roll in degrees: the weighted mean.
    """

    def __init__(self, predictions: Sequence[Predictions], widths_deg: Sequence[NDArray[np.float64] | None]) -> None:
        """
        Args:
            predictions: of each teacher, the leading one first.
            widths_deg: of each teacher without a distribution, ``[3]``: the standard deviations of the one that it is
                given.
        """
        self._predictions, self._widths = predictions, widths_deg
        first = predictions[0].angles.astype(np.float64)
        self._apart = [
            difference_deg(euler_near(rotation_from_euler(each.angles), first), first).astype(np.float32)
            for each in predictions
        ]
        weights = [_weights(apart) for apart in self._apart]
        moved = sum(weight * apart for weight, apart in zip(weights, self._apart, strict=True))
        self.angles = first + moved / sum(weights)

    def __len__(self) -> int:
        return len(self.angles)

    def distributions(self, faces: NDArray[np.intp]) -> NDArray[np.float32]:
        """``[B, 3, COUNT]`` about the angles of some of the faces."""
        total = np.zeros((len(faces), 3, angle_grid.COUNT))
        for each, width, apart in zip(self._predictions, self._widths, self._apart, strict=True):
            weight = _weights(apart[faces])[..., None]
            if each.distributions is not None:
                total += weight * each.distributions[faces]
            else:
                assert width is not None
                angles = self._predictions[0].angles[faces] + apart[faces]
                total += weight * angle_grid.narrow(angles, np.broadcast_to(width, angles.shape))
        return np.asarray(total / total.sum(axis=-1, keepdims=True), np.float32)

    @property
    def digest(self) -> str:
        """Hexadecimal; changes with any predict."""
        content = hashlib.sha256()
        for each, width in zip(self._predictions, self._widths, strict=True):
            for array in (each.angles, each.distributions, width):
                if array is not None:
                    content.update(np.ascontiguousarray(array).data)
        return content.hexdigest()


def _weights(apart_deg: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights of predictions so far from the first teacher's."""
    return np.exp(-((apart_deg.astype(np.float64) / _AGREEMENT_DEG) ** 2))


def mean_of(predictions: Sequence[Predictions]) -> NDArray[np.float64]:
    """The mean rotation of the teachers' predictions, ``[N, 3, 3]``."""
    return mean_rotation(np.stack([rotation_from_euler(each.angles.astype(np.float64)) for each in predictions]))


def mean_rotation(rotations: Float64Array) -> Float64Array:
    """The rotation nearest to several in the chordal distance: ``[..., 3, 3]`` of ``[M, ..., 3, 3]``."""
    left, _, right = np.linalg.svd(rotations.sum(axis=0))
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    return np.asarray(left @ right)


def label_widths(predictions: Predictions, labels_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations ``[3]`` in degrees of a teacher's error on labelled faces ``[N, 3]``."""
    return _widths(mean_of([predictions]), labels_deg)


def disagreement_widths(predictions: Sequence[Predictions]) -> list[NDArray[np.float64]]:
    """The same for each teacher where nothing is labelled: its distance from the mean of the others.

    That distance holds the errors of both, so it is rather too wide than too narrow.

    Raises:
        InputError: there is only one teacher.
    """
    if len(predictions) < 2:
        raise InputError(
            "a single teacher with plain angles says nothing about its error; give labelled crops with --labels, or "
            "another teacher"
        )
    others = [euler_from_rotation(mean_of([*predictions[:i], *predictions[i + 1 :]])) for i in range(len(predictions))]
    return [_widths(mean_of([own]), rest) for own, rest in zip(predictions, others, strict=True)]


def _widths(rotations: NDArray[np.float64], reference_deg: NDArray[np.floating]) -> NDArray[np.float64]:
    apart = difference_deg(euler_near(rotations, reference_deg), reference_deg)
    return np.asarray(_DEVIATION * np.abs(apart).mean(axis=0))
