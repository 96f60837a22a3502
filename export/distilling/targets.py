"""What the student is to believe of each face: the teachers' mean distribution and mean rotation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.distilling import grid
from export.distilling.teachers import Answers
from export.distilling.turns import mean_rotation
from hpe_edge.errors import InputError
from hpe_edge.geometry import difference_deg, euler_from_rotation, euler_near

_DEVIATION = math.sqrt(math.pi / 2)  # of a normal distribution over its mean absolute error, which outliers hardly move


@dataclass(frozen=True)
class Targets:
    """Of N faces.

    Attributes:
        rotations: float64 ``[N, 3, 3]``.
        angles: float64 ``[N, 3]``, yaw, pitch, roll of ``rotations`` in degrees.
        beliefs: float32 ``[N, 3, COUNT]`` about those angles.
    """

    rotations: NDArray[np.float64]
    angles: NDArray[np.float64]
    beliefs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.angles)

    def of(self, faces: NDArray[np.intp]) -> Targets:
        """The targets of some of the faces."""
        return Targets(self.rotations[faces], self.angles[faces], self.beliefs[faces])


def label_widths(answers: Answers, labels_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations ``[3]`` in degrees of a teacher's error on labelled faces ``[N, 3]``."""
    angles = euler_near(mean_rotation(answers.rotations.astype(np.float64)), labels_deg)
    return np.asarray(_DEVIATION * np.abs(difference_deg(angles, labels_deg)).mean(axis=0))


def disagreement_widths(answers: Sequence[Answers]) -> list[NDArray[np.float64]]:
    """The same for each teacher where nothing is labelled: how far it is from the mean of the others.

    That distance holds the errors of both, so it is rather too wide than too narrow.

    Raises:
        InputError: there is only one teacher.
    """
    if len(answers) < 2:
        raise InputError(
            "a single teacher with plain angles says nothing about its error; give labelled crops with --labels, or "
            "another teacher"
        )
    means = [mean_rotation(each.rotations.astype(np.float64)) for each in answers]
    widths = []
    for i, own in enumerate(means):
        others = euler_from_rotation(mean_rotation(np.stack(means[:i] + means[i + 1 :])))
        widths.append(_DEVIATION * np.abs(difference_deg(euler_near(own, others), others)).mean(axis=0))
    return widths


def combine(answers: Sequence[Answers], widths_deg: Sequence[NDArray[np.float64] | None]) -> Targets:
    """The mean of all teachers' distributions over all views, with equal weights: equation 4 of EHPNet's paper.

    Args:
        answers: of each teacher.
        widths_deg: of each teacher without a distribution, ``[3]``: the standard deviations of the one that it is
            given.
    """
    rotations = mean_rotation(np.concatenate([each.rotations for each in answers]).astype(np.float64))
    angles = euler_from_rotation(rotations).astype(np.float64)
    total = np.zeros((*angles.shape, grid.COUNT))
    for each, width in zip(answers, widths_deg, strict=True):
        if each.beliefs is not None:
            total += each.beliefs.mean(axis=0)
            continue
        assert width is not None
        for view in each.rotations:
            said = euler_near(view.astype(np.float64), angles)
            total += grid.narrow(said, np.broadcast_to(width, said.shape)) / len(each.rotations)
    return Targets(rotations, angles, (total / len(answers)).astype(np.float32))
