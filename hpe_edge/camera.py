"""Camera intrinsics, for correct poses away from the image centre."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.distortion import Distortion
from hpe_edge.errors import InputError

# OpenCV's calibration counts from the centre of the top-left pixel, hpe_edge from that pixel's corner.
_OPENCV_CENTER = 0.5


@dataclass(frozen=True)
class Camera:
    """Pinhole camera, in pixels of its frames.

    Coordinates are those of boxes: (0, 0) is the top-left pixel's corner and (0.5, 0.5) its centre, so the middle of a
    frame is (width / 2, height / 2). Matrices of OpenCV's calibration count from the centre of that pixel;
    :meth:`from_opencv` adds the half pixel. Scale the camera with its frames (:meth:`scaled`), and shift cx and cy for
    a cropped frame.

    Attributes:
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels; may lie outside a cropped frame.
        distortion: of the lens; None for straight lines.

    Raises:
        InputError: a value that is not a finite number, or a focal length that is not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: Distortion | None = None

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "cx", "cy"):
            value = _number(f"camera.{name}", getattr(self, name))
            object.__setattr__(self, name, value)  # the dataclass is frozen
        if self.distortion is not None and not isinstance(self.distortion, Distortion):
            raise InputError(
                f"camera.distortion must be a hpe_edge.distortion.Distortion, got {type(self.distortion).__name__}; "
                "Camera.from_opencv takes coefficients"
            )
        fault = None if self.distortion is None else self.distortion.fault()
        if fault is not None:
            raise InputError(fault)
        if self.fx <= 0 or self.fy <= 0:
            raise InputError(f"camera.fx and camera.fy are focal lengths in pixels, above 0, got {self.fx}, {self.fy}")

    @classmethod
    def from_fov(cls, width: int, height: int, horizontal_fov_deg: float) -> Camera:
        """Create a camera with square pixels and the principal point in the middle of the frame.

        From a data sheet's diagonal angle: tan(horizontal / 2) = tan(diagonal / 2) * width / diagonal.

        Args:
            width, height: of the frame in pixels.
            horizontal_fov_deg: angle between the rays through the middles of the left and right edges.

        Raises:
            InputError: a side below 1, or an angle that is not between 0 and 180 degrees.
        """
        w, h = _number("width", width), _number("height", height)
        fov = _number("horizontal_fov_deg", horizontal_fov_deg)
        if w < 1 or h < 1:
            raise InputError(f"width and height are the frame's, in pixels, got {width} x {height}")
        if not 0 < fov < 180:
            raise InputError(f"horizontal_fov_deg must be between 0 and 180 degrees, got {horizontal_fov_deg}")
        focal = w / 2 / math.tan(math.radians(fov) / 2)
        return cls(focal, focal, w / 2, h / 2)

    @classmethod
    def from_opencv(
        cls, camera_matrix: ArrayLike, distortion: ArrayLike | None = None, *, fisheye: bool = False
    ) -> Camera:
        """Create a camera from the results of ``cv2.calibrateCamera`` or ``cv2.fisheye.calibrate``.

        Args:
            camera_matrix: 3x3.
            distortion: coefficients, in OpenCV's order; None or all 0 for a lens without distortion.
            fisheye: the coefficients are those of ``cv2.fisheye``.

        Raises:
            InputError: not such a matrix, or one with skew; not such coefficients, or those of a model with thin prisms
                or a tilted sensor.
        """
        try:
            k = np.asarray(camera_matrix, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"camera_matrix must be 3 x 3 numbers ({error})") from None
        if k.shape != (3, 3):
            raise InputError(f"camera_matrix must be 3 x 3 numbers, got shape {k.shape}")
        if k[0, 1] != 0 or k[1, 0] != 0 or not np.array_equal(k[2], [0, 0, 1]):
            raise InputError(f"camera_matrix must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {k.tolist()}")
        lens = None if distortion is None else _lens(distortion, fisheye)
        return cls(k[0, 0], k[1, 1], k[0, 2] + _OPENCV_CENTER, k[1, 2] + _OPENCV_CENTER, lens)

    def scaled(self, factor: float) -> Camera:
        """Return the camera of frames that were resized by ``factor``."""
        return self.stretched(factor, factor)

    def stretched(self, across: float, down: float) -> Camera:
        """Return the camera of frames that were resized by these factors of the width and height."""
        return replace(self, fx=self.fx * across, fy=self.fy * down, cx=self.cx * across, cy=self.cy * down)

    def turned(self, quarters: int, width: int, height: int) -> Camera:
        """Return the camera of frames that were turned clockwise by quarters of a turn.

        Args:
            quarters: number of quarters.
            width, height: of the frames before, in pixels.
        """
        camera = self
        for _ in range(quarters % 4):
            lens = None if camera.distortion is None else camera.distortion.turned([[0, -1], [1, 0]])
            camera = Camera(camera.fy, camera.fx, height - camera.cy, camera.cx, lens)
            width, height = height, width
        return camera

    def mirrored(self, width: int) -> Camera:
        """Return the camera of frames of this width that were mirrored left to right."""
        lens = None if self.distortion is None else self.distortion.turned([[-1, 0], [0, 1]])
        return replace(self, cx=width - self.cx, distortion=lens)

    @property
    def ideal(self) -> Camera:
        """The camera without its distortion."""
        return self if self.distortion is None else replace(self, distortion=None)

    def distorted(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the image points ``[..., 2]`` of those of the :attr:`ideal` camera; NaN beyond the lens' reach."""
        return self.project(self.ideal.rays(points))

    def rays(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rays ``[..., 3]``, z = 1, through image points ``[..., 2]``; NaN where the lens shows nothing."""
        x, y = (points[..., 0] - self.cx) / self.fx, (points[..., 1] - self.cy) / self.fy
        if self.distortion is not None:
            x, y = np.moveaxis(self.distortion.undistort(np.stack([x, y], axis=-1)), -1, 0)
        return np.stack([x, y, np.ones_like(x)], axis=-1)

    def project(self, rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the image points ``[..., 2]`` of rays ``[..., 3]`` with z > 0; NaN beyond the distortion's reach."""
        flat = rays[..., :2] / rays[..., 2:]
        if self.distortion is not None:
            flat = self.distortion.distort(flat)
        return flat * [self.fx, self.fy] + [self.cx, self.cy]


def _lens(coefficients: ArrayLike, fisheye: bool) -> Distortion | None:
    """Return the distortion with coefficients of OpenCV; None if it is none."""
    try:
        numbers = np.asarray(coefficients, np.float64).ravel().tolist()
    except (TypeError, ValueError) as error:
        raise InputError(f"distortion coefficients must be numbers ({error})") from None
    if len(numbers) in (12, 14) and not fisheye:
        if any(numbers[8:]):
            raise InputError(
                f"distortion with thin prisms or a tilted sensor is not supported, got {numbers}; calibrate without "
                "CALIB_THIN_PRISM_MODEL and CALIB_TILTED_MODEL, or undistort the frames first"
            )
        numbers = numbers[:8]
    # A fisheye lens whose coefficients are 0 is equidistant, and no pinhole.
    return Distortion(tuple(numbers), fisheye) if fisheye or any(numbers) else None


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, got {value!r}")
    return number
