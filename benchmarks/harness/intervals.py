"""Bootstrap intervals: how far a figure could have come out otherwise with other faces of the same kind.

Groups are drawn with replacement, not faces: frames of one person err alike, and a thousand of them are not a thousand
independent faces. The interval is the middle 95 % of what the draws give (percentile method). With few groups it is too
narrow; of a 99th percentile it says little, for the largest errors of a set are in it or not.

Source: Efron, Tibshirani, 1993, An Introduction to the Bootstrap, chapters 8 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
SEED = 0
CENTRAL = (2.5, 97.5)

Values = NDArray[np.float64]


def interval(
    groups: Sequence[str], statistics: Callable[[NDArray[np.int64]], Values], draws: int = DRAWS
) -> tuple[Values, Values] | None:
    """The 95 % interval of statistics of N faces; None where fewer than two groups leave nothing to draw from.

    Args:
        groups: ``[N]``, each face's group.
        statistics: takes how often each face counts, ``[N]``, and gives ``[K]`` figures.
        draws: how many times.

    Returns:
        The lower and the upper ends, each ``[K]``.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return None
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(draws):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        found.append(statistics(times[member]))
    low, high = np.percentile(np.array(found), CENTRAL, axis=0)
    return low, high


def mean(values: Values, times: NDArray[np.int64]) -> Values:
    """The mean of faces ``[N, K]`` that count so often, ``[K]``."""
    return np.asarray(times @ values / times.sum(), np.float64)


def percentiles(values: Values, times: NDArray[np.int64], wanted: Sequence[float]) -> Values:
    """Percentiles of faces ``[N]`` that count so often."""
    return np.asarray(np.percentile(np.repeat(values, times), wanted), np.float64)
