"""Temporal smoothing of poses: a One-Euro filter on rotations, for each identity.

Filtering the three angles fails where they jump: at +-180 degrees, and near |yaw| = 90 where pitch and roll are
ill-defined. Here a filtered rotation S follows the estimates R along the shortest turn between them:

    S <- S exp(a log(S^T R))                 a = 1 - exp(-2 pi f dt)         f = min_cutoff + beta |w|

with w the angular velocity log(R_before^T R) / dt, itself low-passed. A face at rest is filtered strongly, a
turning one is followed fast. Turns are in the head's frame, so the filter is invariant to the camera's orientation:
filtering G R equals G times filtering R. For turns about one axis this is the filter of Casiez, Roussel and Vogel,
1 Euro Filter, CHI 2012, but for two details. Their a, 1 / (1 + 1 / (2 pi f dt)), is the first-order approximation of
ours, which makes the filter independent of the frame rate. And w is taken between estimates, not from the filtered
value to the estimate, whose lag in frames grows with the frame rate.

Uncertainty. If the model reports sigma, uncertain estimates get less weight, as in a Kalman filter. The gain a is that
of a Kalman filter for a random walk in its steady state, where the variance before an estimate is a / (1 - a) times
that of the estimate. Let r be the variance of an estimate relative to a usual one, (sigma / ``sigma_usual_deg``)^2, but
at least 1, so that a small sigma does not raise the gain. Then

    p = a / (1 - a) + d          gain = p / (p + r)          d <- p r / (p + r) - a

where d is the excess of the variance after the estimate over that of the steady state. With r = 1 throughout, d is 0
and the gain is a, as without sigma. A single estimate of twice the usual sigma gets about a quarter of the gain; if all
are like that, d grows until it is a half.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError
from hpe_edge.geometry import euler_near, rotation_from_rotvec, rotvec_from_rotation
from hpe_edge.poses import Poses

Float64Array = NDArray[np.float64]

UNCALIBRATED_USUAL_DEG = 15.0  # usual sigma of the bins, about twice a calibrated one
_SPEED_CUTOFF_HZ = 1.0  # of the angular velocity, as in the paper

_FACE = np.dtype(
    [
        ("id", np.int64),
        ("time_s", np.float64),
        ("estimate", np.float64, (3, 3)),
        ("filtered", np.float64, (3, 3)),
        ("velocity", np.float64, 3),  # rad/s
        ("doubt", np.float64),  # d above
    ]
)


class PoseSmoother:
    """Filters the poses of tracked faces; one for each video or camera.

    >>> smoother = PoseSmoother()
    >>> tracks = tracker.update(frame.time_s, boxes)
    >>> steady = smoother(frame.time_s, tracks.ids, engine(frame.image, tracks.boxes))

    The first pose of an identity is not changed. A step back in time resets the filter.
    """

    def __init__(
        self,
        *,
        min_cutoff_hz: float = 1.0,
        beta: float = 0.8,
        sigma_usual_deg: float = 6.5,
        forget_s: float = 1.0,
    ) -> None:
        """
        Args:
            min_cutoff_hz: cut-off frequency for a face at rest; lower is steadier.
            beta: growth of the cut-off with the angular velocity, in Hz per rad/s; higher follows faster.
            sigma_usual_deg: calibrated sigma (root mean square of the three angles') up to which an estimate has full
                weight. A model whose sigma is not calibrated needs about twice as much.
            forget_s: an identity that was absent for longer starts anew.

        Raises:
            InputError: a value is not finite or negative, or min_cutoff_hz or sigma_usual_deg is 0.
        """
        for name, value, least in (
            ("min_cutoff_hz", min_cutoff_hz, "above 0"),
            ("beta", beta, "0 or more"),
            ("sigma_usual_deg", sigma_usual_deg, "above 0"),
            ("forget_s", forget_s, "0 or more"),
        ):
            if not (math.isfinite(value) and (value > 0 or (value == 0 and least == "0 or more"))):
                raise InputError(f"{name} must be a number {least}, got {value!r}")
        self._min_cutoff_hz, self._beta = min_cutoff_hz, beta
        self._sigma_usual_deg, self._forget_s = sigma_usual_deg, forget_s
        self._faces = np.zeros(0, _FACE)
        self._time_s = -math.inf

    def __call__(self, time_s: float, ids: ArrayLike, poses: Poses) -> Poses:
        """Filter the poses of a frame.

        Args:
            time_s: of the frame, in seconds from any start. At an equal time the filtered poses do not move.
            ids: ``[N]`` integers, each identity once. Poses with a negative one are returned unfiltered.
            poses: of these N faces; not changed. A pose with NaN stays NaN and does not update its identity.

        Returns:
            New poses. Of a rotation's two Euler triples the one nearer to the given pose is taken, so a yaw beyond 90
            degrees is kept. Sigma is copied.

        Raises:
            InputError: a time that is not finite, or ids that are not ``[N]`` integers or repeat.
        """
        if not math.isfinite(time_s):
            raise InputError(f"poses are filtered over time, so time_s must be finite, got {time_s!r}")
        identities = _checked_ids(ids, len(poses))
        if time_s < self._time_s:
            self._faces = self._faces[:0]
        self._time_s = time_s
        self._faces = self._faces[time_s - self._faces["time_s"] <= self._forget_s]

        result = poses.copy()
        usable = (
            (identities >= 0) & np.isfinite(poses.rotation).all(axis=(1, 2)) & np.isfinite(poses.angles).all(axis=1)
        )
        known = usable & np.isin(identities, self._faces["id"])
        new = np.flatnonzero(usable & ~known)
        old = np.flatnonzero(known)

        fresh = np.zeros(len(new), _FACE)
        fresh["id"], fresh["time_s"] = identities[new], time_s
        fresh["estimate"] = fresh["filtered"] = poses.rotation[new]

        if len(old):
            rows = np.argsort(self._faces["id"])
            rows = rows[np.searchsorted(self._faces["id"], identities[old], sorter=rows)]
            faces = self._faces[rows]
            self._follow(faces, time_s, poses.rotation[old].astype(np.float64), self._unsure(poses.sigma[old]))
            self._faces[rows] = faces
            result.rotation[old] = faces["filtered"]
            result.angles[old] = euler_near(faces["filtered"], poses.angles[old])
        self._faces = np.concatenate([self._faces, fresh])
        return result

    def _follow(self, faces: NDArray[np.void], time_s: float, estimates: Float64Array, unsure: Float64Array) -> None:
        """Update the faces by one filter step; ``unsure`` is r."""
        seconds = (time_s - faces["time_s"])[:, None]
        turned = _turn(faces["estimate"], estimates)
        velocity = np.divide(turned, seconds, out=faces["velocity"].copy(), where=seconds > 0)
        faces["velocity"] += _gain(_SPEED_CUTOFF_HZ, seconds) * (velocity - faces["velocity"])
        cutoff_hz = self._min_cutoff_hz + self._beta * np.linalg.norm(faces["velocity"], axis=1)
        usual = _gain(cutoff_hz, seconds[:, 0])
        # Written with the gain's complement, which avoids a division by 0 for fast turns.
        left = 1 - usual
        variance = usual + left * faces["doubt"]  # (1 - a) p
        gain = variance / (variance + left * unsure)
        faces["doubt"] = gain * unsure - usual
        faces["filtered"] = faces["filtered"] @ rotation_from_rotvec(
            gain[:, None] * _turn(faces["filtered"], estimates)
        )
        faces["time_s"], faces["estimate"] = time_s, estimates

    def _unsure(self, sigma_deg: NDArray[np.float32]) -> Float64Array:
        """Return r of the module's docstring; 1 without sigma."""
        variance = np.square(sigma_deg, dtype=np.float64).mean(axis=1) / self._sigma_usual_deg**2
        unsure: Float64Array = np.fmax(variance, 1.0)
        return unsure


def _turn(start: Float64Array, end: Float64Array) -> Float64Array:
    """Return the rotation vectors ``[N, 3]`` from ``start`` to ``end`` in the head's frame."""
    return rotvec_from_rotation(np.swapaxes(start, -1, -2) @ end).astype(np.float64)


def _gain(cutoff_hz: Float64Array | float, seconds: Float64Array) -> Float64Array:
    gain: Float64Array = -np.expm1(-2 * np.pi * cutoff_hz * seconds)
    return gain


def _checked_ids(ids: ArrayLike, count: int) -> NDArray[np.int64]:
    identities = np.asarray(ids)
    if identities.shape != (count,) or (count and identities.dtype.kind not in "iu"):
        raise InputError(
            f"ids must be one integer per pose, got {identities.dtype} {identities.shape} for {count} poses"
        )
    named = identities[identities >= 0]
    if len(np.unique(named)) != len(named):
        raise InputError(f"identities must be unique in a frame, got {identities.tolist()}")
    return identities.astype(np.int64)
