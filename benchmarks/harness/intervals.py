"""Bootstrap confidence intervals of figures over faces.

Groups are resampled, not faces, because errors on frames of one person are correlated. The interval is the middle 95 %
of the draws (percentile method). It is too narrow with few groups, and unreliable for a 99th percentile.

Source: Efron, Tibshirani, 1993, An Introduction to the Bootstrap, chapters 8 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS, SEED, CENTRAL = 2000, 0, (2.5, 97.5)

Values = NDArray[np.float64]
Weights = NDArray[np.int64]  # [N], multiplicity of each face


def interval(
    groups: Sequence[str], statistics: Callable[[Weights], Values], draws: int = DRAWS
) -> tuple[Values, Values] | None:
    """Return the lower and upper ends of ``[K]`` statistics' 95 % interval; None for fewer than two groups ``[N]``."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return None
    rng, count = np.random.default_rng(SEED), len(names)
    drawn = (np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(draws))
    low, high = np.percentile(np.array([statistics(times[member]) for times in drawn]), CENTRAL, axis=0)
    return low, high


def mean(values: Values, weights: Weights) -> Values:
    """Return the weighted mean ``[K]`` of faces ``[N, K]``."""
    return np.asarray(weights @ values / weights.sum(), np.float64)


def percentiles(values: Values, weights: Weights, wanted: Sequence[float]) -> Values:
    """Return percentiles of faces ``[N]``, each counted as often as its weight."""
    return np.asarray(np.percentile(np.repeat(values, weights), wanted), np.float64)
