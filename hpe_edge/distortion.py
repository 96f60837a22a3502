"""Lens distortion, by OpenCV's polynomial, rational and fisheye models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64Array = NDArray[np.float64]

_COUNTS = (4, 5, 8)  # k1 k2 p1 p2, k3, k4 k5 k6; OpenCV's 12 and 14 add thin prisms and a tilted sensor
_STEPS = 30  # of Newton's method, which needs about five
_WAY = np.linspace(1 / 24, 1, 24)  # parts of the way from the axis that are looked at
_EXACT = 1e-9  # largest residual, in focal lengths


@dataclass(frozen=True)
class Distortion:
    """Distortion of points in the plane one focal length in front of the camera.

    :class:`hpe_edge.camera.Camera` checks it.

    Attributes:
        coefficients: k1, k2, p1, p2, then k3, then k4, k5, k6, as OpenCV orders them; of a fisheye lens its k1, k2,
            k3, k4.
        fisheye: the model of ``cv2.fisheye``: a polynomial of the angle to the axis.

    Source: OpenCV's documentation of calib3d; Kannala and Brandt, 2006 (fisheye).
    """

    coefficients: tuple[float, ...]
    fisheye: bool = False

    def fault(self) -> str | None:
        """Return what is wrong with the coefficients, None if nothing is."""
        counts = (4,) if self.fisheye else _COUNTS
        if len(self.coefficients) in counts and all(map(math.isfinite, self.coefficients)):
            return None
        named = "k1, k2, k3, k4" if self.fisheye else "k1, k2, p1, p2[, k3[, k4, k5, k6]]"
        return f"distortion coefficients are finite numbers {named}, got {list(self.coefficients)}"

    def distort(self, points: Float64Array) -> Float64Array:
        """Return the distorted points ``[..., 2]``; NaN beyond the model's reach, where it folds back."""
        if self.fisheye:
            return self._fisheye(points)
        return np.where(self._before_folds(points)[..., None], self._pinhole(points)[0], np.nan)

    def undistort(self, points: Float64Array) -> Float64Array:
        """Return the points ``[..., 2]`` that are distorted to the given ones; NaN where there are none."""
        with np.errstate(all="ignore"):
            return self._from_fisheye(points) if self.fisheye else self._from_pinhole(points)

    def turned(self, matrix: ArrayLike) -> Distortion:
        """Return the distortion in axes turned or mirrored by an orthogonal matrix ``[2, 2]``.

        The tangential part is 2 (q x) x + r^2 q with q = (p2, p1), so q turns as a point does.
        """
        if self.fisheye:
            return self
        k1, k2, p1, p2, *rest = self.coefficients
        q = np.asarray(matrix, np.float64) @ [p2, p1]
        return Distortion((k1, k2, float(q[1]), float(q[0]), *rest))

    def _pinhole(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return the distorted points, and the symmetric derivative's xx, xy, yy ``[3, ...]``."""
        k1, k2, p1, p2, k3, k4, k5, k6 = (*self.coefficients, *[0.0] * (8 - len(self.coefficients)))
        x, y = points[..., 0], points[..., 1]
        r2 = x * x + y * y
        above, below = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        scale = above / below
        rate = (k1 + r2 * (2 * k2 + r2 * 3 * k3) - scale * (k4 + r2 * (2 * k5 + r2 * 3 * k6))) / below
        moved = x * scale + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * scale + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        both = 2 * x * y * rate + 2 * p1 * x + 2 * p2 * y
        xx = scale + 2 * x * x * rate + 2 * p1 * y + 6 * p2 * x
        yy = scale + 2 * y * y * rate + 6 * p1 * y + 2 * p2 * x
        return np.stack(moved, axis=-1), np.stack([xx, both, yy])

    def _from_pinhole(self, wanted: Float64Array) -> Float64Array:
        points = wanted.copy()
        for _ in range(_STEPS):
            found, (xx, xy, yy) = self._pinhole(points)
            off = wanted - found
            area = xx * yy - xy * xy
            step = np.stack([yy * off[..., 0] - xy * off[..., 1], xx * off[..., 1] - xy * off[..., 0]], axis=-1)
            step /= area[..., None]
            # A step beyond the next fold would end on another branch.
            longest = 0.25 + 0.25 * np.linalg.norm(points, axis=-1, keepdims=True)
            points += step * np.minimum(1, longest / np.maximum(np.linalg.norm(step, axis=-1, keepdims=True), _EXACT))
        found, _ = self._pinhole(points)
        exact = np.abs(found - wanted).max(axis=-1) < _EXACT * (1 + np.abs(wanted).max(axis=-1))
        return np.where((exact & self._before_folds(points))[..., None], points, np.nan)

    def _before_folds(self, points: Float64Array) -> NDArray[np.bool_]:
        """Return True where the distortion keeps the orientation all the way from the axis to a point.

        Beyond a fold it may do so again, but a lens shows nothing there.
        """
        _, (xx, xy, yy) = self._pinhole(points[..., None, :] * _WAY[:, None])
        return np.asarray(np.all((xx * yy - xy * xy > 0) & (xx + yy > 0), axis=-1), np.bool_)

    def _angle(self, theta: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return a fisheye lens' distorted angle, and its derivative."""
        k1, k2, k3, k4 = self.coefficients
        t2 = theta * theta
        return (
            theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))),
            1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4))),
        )

    def _rising(self, theta: Float64Array) -> NDArray[np.bool_]:
        """Return True where the distorted angle rises all the way from the axis."""
        return np.asarray(np.all(self._angle(theta[..., None] * _WAY)[1] > 0, axis=-1), np.bool_)

    def _fisheye(self, points: Float64Array) -> Float64Array:
        radius = np.linalg.norm(points, axis=-1)
        theta = np.arctan(radius)
        angle, _ = self._angle(theta)
        scale = np.where(radius > 0, angle / np.maximum(radius, 1e-300), 1.0)
        return np.where(self._rising(theta)[..., None], points * scale[..., None], np.nan)

    def _from_fisheye(self, wanted: Float64Array) -> Float64Array:
        radius = np.linalg.norm(wanted, axis=-1)
        theta = np.minimum(radius, math.pi / 2)
        for _ in range(_STEPS):
            angle, slope = self._angle(theta)
            theta = np.clip(theta + np.clip((radius - angle) / slope, -0.25, 0.25), 0, math.pi / 2)
        angle, _ = self._angle(theta)
        # A flat picture ends at 90 degrees.
        found = (np.abs(angle - radius) < _EXACT) & self._rising(theta) & (theta < math.pi / 2 - 1e-6)
        scale = np.where(radius > 0, np.tan(theta) / np.maximum(radius, 1e-300), 1.0)
        return np.where(found[..., None], wanted * scale[..., None], np.nan)
