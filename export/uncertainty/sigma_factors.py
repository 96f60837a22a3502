"""Factors that calibrate sigma, and the share of errors within one and two sigma.

With labels the factor of an angle is the 68.3 % quantile of |error| / sigma: as many errors as those of a normal
distribution then lie within one sigma. A quantile, unlike a ratio of squares, does not follow a few wild errors; about
3 % of AFLW2000's labels are off by 10 degrees and more.

Without labels, another model tells where the truth may be: at its pose m, within its own calibrated sigma w. If the
model to calibrate is d degrees away from m, its error is d + w Z with Z normal, and the share of such errors within f
sigma is, over all faces,

    mean of  Phi((f sigma - d) / w) - Phi((-f sigma - d) / w)

which is solved for f. Adding the variances of both models instead, as for independent errors, does not work: head-pose
networks err alike (correlation 0.7 to 0.9 on the dev photos), so their differences are smaller than w alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

WITHIN_ONE, WITHIN_TWO = 0.6827, 0.9545  # of a normal distribution
LEAST_FACTOR, LARGEST_FACTOR = 0.05, 20.0  # beyond, the model does not fit the faces
_LEAST_SIGMA_DEG = 1e-3  # peaked logits may leave none
_HALVINGS = 40
_ROUNDS = 10  # random halves of the cross-validation

_erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class Coverage:
    """Shares of errors, 0..1, within one and two sigma, arrays ``[4]``: yaw, pitch, roll and all three.

    Attributes:
        one, two: the shares; means over the rounds of a cross-validation.
        one_spread, two_spread: standard deviations over those rounds; 0 without rounds.
    """

    one: Float64Array
    two: Float64Array
    one_spread: Float64Array
    two_spread: Float64Array

    def line(self) -> str:
        """The shares of all three angles together, as text."""
        one, two = (
            f"{100 * share[3]:.0f} %" + (f" (± {100 * spread[3]:.0f})" if spread[3] else "")
            for share, spread in ((self.one, self.one_spread), (self.two, self.two_spread))
        )
        angles = ", ".join(
            f"{name} {100 * share:.0f} %"
            for name, share in zip(("yaw", "pitch", "roll"), self.one[:3].tolist(), strict=True)
        )
        return f"{one} of the errors within one sigma ({angles}), {two} within two"


def from_errors(errors: Float64Array, sigma: Float64Array) -> Float64Array:
    """Factors ``[3]`` from errors and sigma ``[N, 3]``, in degrees, N at least 1."""
    ratios = np.abs(errors) / np.maximum(sigma, _LEAST_SIGMA_DEG)
    return np.asarray(np.quantile(ratios, WITHIN_ONE, axis=0), np.float64)


def from_beliefs(apart: NDArray[np.floating], sigma: Float64Array, believed: Float64Array) -> Float64Array:
    """Factors ``[3]`` by another model.

    Args:
        apart: ``[N, 3]``, differences of both models' angles in degrees, N at least 1.
        sigma: ``[N, 3]``, of the model to calibrate, not calibrated.
        believed: ``[N, 3]``, calibrated sigma of the other model.

    Returns:
        Factors within LEAST_FACTOR and LARGEST_FACTOR; one of these two where the solution lies beyond.
    """
    sigma, believed = (np.maximum(each, _LEAST_SIGMA_DEG) for each in (sigma, believed))
    low, high = np.full(3, LEAST_FACTOR), np.full(3, LARGEST_FACTOR)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        short = (_normal((middle * sigma - apart) / believed) - _normal((-middle * sigma - apart) / believed)).mean(
            axis=0
        ) < WITHIN_ONE
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray((low + high) / 2, np.float64)


def coverage(errors: Float64Array, sigma: Float64Array) -> Coverage:
    """Shares of errors ``[N, 3]`` within sigma ``[N, 3]``."""
    shares = _shares(errors, sigma)
    return Coverage(shares[0], shares[1], np.zeros(4), np.zeros(4))


def cross_validated(
    errors: Float64Array, sigma: Float64Array, faces: NDArray[np.intp], rounds: int = _ROUNDS
) -> Coverage:
    """Shares on faces that the factors were not measured on: random halves, one for the factors, the other judged.

    Args:
        errors, sigma: ``[N, 3]`` in degrees.
        faces: ``[N]``, number of the face; rows of one face stay together. At least two faces.
        rounds: number of random halves, with a fixed seed.
    """
    rng, names = np.random.default_rng(0), np.unique(faces)
    found = []
    for _ in range(rounds):
        measured = np.isin(faces, rng.permutation(names)[: len(names) // 2])
        factors = from_errors(errors[measured], sigma[measured])
        found.append(_shares(errors[~measured], factors * sigma[~measured]))
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    return Coverage(mean[0], mean[1], spread[0], spread[1])


def _shares(errors: Float64Array, sigma: Float64Array) -> Float64Array:
    """``[2, 4]``: within one and two sigma; yaw, pitch, roll, all."""
    within = np.stack([np.abs(errors) <= k * sigma for k in (1, 2)]).mean(axis=1)
    return np.concatenate([within, within.mean(axis=1, keepdims=True)], axis=1)


def _normal(x: Float64Array) -> Float64Array:
    """Cumulative distribution of the standard normal distribution."""
    return np.asarray((1 + _erf(x / math.sqrt(2))) / 2, np.float64)
