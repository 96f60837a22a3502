"""Search of the turn of doubtful faces: which are asked again in turned crops, and which answer is taken.

A network that does not know a turned face either answers with a large sigma, or with a small one and an upright pose.
Eight crops, 45 degrees apart, hold one in which the face nearly stands upright; there sigma is small. A box without a
face gets small sigmas by chance, but no two answers agree.

The limits were chosen on press photos and photos of Pointing'04, each turned by 0, 15, ..., 345 degrees, and on boxes
on pictures of things. ``python -m benchmarks consistency`` measures what they do; docs/upright.md has the figures.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpe_edge.geometry import geodesic_deg

ASK_AGAIN_SIGMA_DEG = 8.0  # root mean square of the calibrated sigmas beyond which a face is asked again
_LOOKS = 8  # crops of a face, evenly around the circle
_SURER = 0.8  # sigma of an answer that replaces the first, in sigmas of the first
_ALIKE_DEG = 25.0  # distance of an answer that confirms another

OTHER_LOOKS = _LOOKS - 1  # beside the first one


class Answers(NamedTuple):
    """Answers of M faces from L crops each.

    Attributes:
        rotations: ``[M, L, 3, 3]`` in the picture; the first crop's is the answer so far.
        sigmas_deg: ``[M, L]``, root mean square of the three sigmas; NaN loses.
    """

    rotations: NDArray[np.float32]
    sigmas_deg: NDArray[np.float32]


def turns_of_looks(turns_deg: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the turns ``[M * OTHER_LOOKS]`` of the other crops of faces whose first ones were turned by ``[M]``."""
    apart = np.arange(1, _LOOKS, dtype=np.float32) * np.float32(360 / _LOOKS)
    turns: NDArray[np.float32] = (turns_deg[:, None] + apart).reshape(-1)
    return turns


def best_answers(answers: Answers) -> NDArray[np.intp]:
    """Return the crop ``[M]`` whose answer is taken, else 0.

    It is the surest, where it clearly is, differs from the first one's, and another one agrees.
    """
    rows = np.arange(len(answers.sigmas_deg))
    sigmas = np.where(np.isnan(answers.sigmas_deg), np.inf, answers.sigmas_deg)
    best = sigmas.argmin(axis=1)
    surer = sigmas[rows, best] < _SURER * sigmas[:, 0]
    away = geodesic_deg(answers.rotations, answers.rotations[rows, best][:, None])
    confirmed = (away < _ALIKE_DEG).sum(axis=1) > 1  # itself included; False for NaN
    another = away[:, 0] >= _ALIKE_DEG  # else the first crop was no turned face's
    return np.where(surer & confirmed & another, best, 0)
