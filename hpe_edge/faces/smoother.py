"""Steadier poses: a One-Euro filter on rotations, for each identity.

Filtering three angles fails where they jump: at +-180 degrees, and near |yaw| = 90 where pitch and roll lose their
meaning. Here a filtered rotation S follows the estimates R along the shortest turn between them:

    S <- S exp(a log(S^T R))                 a = 1 - exp(-2 pi f dt)         f = min_cutoff + beta |w|

with w the angular velocity log(R_before^T R) / dt, itself low-passed. A face at rest is filtered hard, and one that
turns is followed fast. Turns are taken on the head's side, so a camera that is turned changes nothing: filtering G R
gives G times what filtering R gives. For turns about one axis this is the filter of Casiez, Roussel and Vogel, 1 Euro
Filter, CHI 2012, but for two details. Their a, 1 / (1 + 1 / (2 pi f dt)), is the first-order approximation of ours,
which makes the filter the same at any frame rate. And w is taken between estimates, not from the filtered value to the
estimate, which lags behind it by more frames the more there are in a second.

Doubt. Where the model says how sure it is, a doubtful estimate counts for less, as in a Kalman filter. A gain of a is
that of a Kalman filter for a random walk, in its steady state, where the variance before an estimate is a / (1 - a)
times that of the estimate. Let r be the variance of an estimate over that of a usual one, the square of sigma over
``sigma_usual_deg``, and at least 1: an estimate that claims more is not believed more. Then

    p = a / (1 - a) + d          gain = p / (p + r)          d <- p r / (p + r) - a

in which d is by how much the variance after the estimate is above that of the steady state. With r = 1 throughout, d is
0 and the gain is a: the filter is as without sigma. A single estimate of twice the usual sigma gets about a quarter of
the gain; if all are so, d grows until it is a half.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError
from hpe_edge.geometry import euler_near, rotation_from_rotvec, rotvec_from_rotation
from hpe_edge.poses import Poses

Float64Array = NDArray[np.float64]

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

    What an identity gives first is passed on as it is. A step back in time is a new start: all is forgotten.
    """

    def __init__(
        self,
        *,
        min_cutoff_hz: float = 1.0,
        beta: float = 0.8,
        sigma_usual_deg: float = 15.0,
        forget_s: float = 1.0,
    ) -> None:
        """
        Args:
            min_cutoff_hz: cut-off frequency for a face at rest; lower is steadier.
            beta: by how much the cut-off grows with the angular velocity, in Hz per rad/s; higher follows faster.
            sigma_usual_deg: up to this sigma, the root mean square of the three angles', an estimate is not doubtful.
            forget_s: an identity that comes back after longer is a new one.

        Raises:
            InputError: one is not a finite number, or is negative; the first and the third may not be 0 either.
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
            time_s: of the frame, in seconds from any start. It may stand still, and the poses then stay.
            ids: ``[N]`` whole numbers, each identity once. Poses of a negative one are passed on as they are.
            poses: of these N faces; not changed. One that is NaN stays NaN, and its identity is as if it was not there.

        Returns:
            New poses. Of the two Euler triples of a rotation, the one nearer to that of the given pose is taken, so a
            yaw beyond 90 degrees stays one. Sigma is the given one.

        Raises:
            InputError: a time that is not finite, or ids that are not ``[N]`` or hold one twice.
        """
        if not math.isfinite(time_s):
            raise InputError(f"poses are filtered over time, so time_s must be finite, got {time_s!r}")
        identities = _checked_ids(ids, len(poses))
        if time_s < self._time_s:
            self._faces = self._faces[:0]
        self._time_s = time_s
        self._faces = self._faces[time_s - self._faces["time_s"] <= self._forget_s]

        result = Poses(poses.angles.copy(), poses.sigma.copy(), poses.rotation.copy())
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
        """One step of the filter; ``unsure`` is r."""
        seconds = (time_s - faces["time_s"])[:, None]
        turned = _turn(faces["estimate"], estimates)
        velocity = np.divide(turned, seconds, out=faces["velocity"].copy(), where=seconds > 0)
        faces["velocity"] += _gain(_SPEED_CUTOFF_HZ, seconds) * (velocity - faces["velocity"])
        cutoff_hz = self._min_cutoff_hz + self._beta * np.linalg.norm(faces["velocity"], axis=1)
        usual = _gain(cutoff_hz, seconds[:, 0])
        # In terms of the gain's complement nothing is divided by 0, however fast the face turns.
        left = 1 - usual
        variance = usual + left * faces["doubt"]  # (1 - a) p
        gain = variance / (variance + left * unsure)
        faces["doubt"] = gain * unsure - usual
        faces["filtered"] = faces["filtered"] @ rotation_from_rotvec(
            gain[:, None] * _turn(faces["filtered"], estimates)
        )
        faces["time_s"], faces["estimate"] = time_s, estimates

    def _unsure(self, sigma_deg: NDArray[np.float32]) -> Float64Array:
        """r of the text above; 1 where there is no sigma."""
        variance = np.square(sigma_deg, dtype=np.float64).mean(axis=1) / self._sigma_usual_deg**2
        unsure: Float64Array = np.fmax(variance, 1.0)
        return unsure


def _turn(start: Float64Array, end: Float64Array) -> Float64Array:
    """Rotation vectors ``[N, 3]`` of the turns that lead from one to the other, seen from the head."""
    return rotvec_from_rotation(np.swapaxes(start, -1, -2) @ end).astype(np.float64)


def _gain(cutoff_hz: Float64Array | float, seconds: Float64Array) -> Float64Array:
    gain: Float64Array = -np.expm1(-2 * np.pi * cutoff_hz * seconds)
    return gain


def _checked_ids(ids: ArrayLike, count: int) -> NDArray[np.int64]:
    identities = np.asarray(ids)
    if identities.shape != (count,) or (count and identities.dtype.kind not in "iu"):
        raise InputError(
            f"ids must be one whole number per pose, got {identities.dtype} {identities.shape} for {count} poses"
        )
    named = identities[identities >= 0]
    if len(np.unique(named)) != len(named):
        raise InputError(f"each identity may be there once in a frame, got {identities.tolist()}")
    return identities.astype(np.int64)
