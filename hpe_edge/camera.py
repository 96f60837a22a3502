"""Pinhole camera intrinsics, for correct poses away from the image centre."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError

# OpenCV's calibration counts from the centre of the top-left pixel, hpe_edge from that pixel's corner.
_OPENCV_CENTER = 0.5


@dataclass(frozen=True)
class Camera:
    """Pinhole camera, in pixels of its frames.

    Coordinates are those of boxes: (0, 0) is the top-left pixel's corner and (0.5, 0.5) its centre, so the middle of a
    frame is (width / 2, height / 2). Matrices of OpenCV's calibration count from the centre of that pixel;
    :meth:`from_opencv` adds the half pixel. Scale the camera with its frames (:meth:`scaled`), shift cx and cy for a
    cropped frame, and undistort frames with visible lens distortion first.

    Attributes:
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels; may lie outside a cropped frame.

    Raises:
        InputError: a value that is not a finite number, or a focal length that is not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _number(f"camera.{field.name}", getattr(self, field.name))
            object.__setattr__(self, field.name, value)  # the dataclass is frozen
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
    def from_opencv(cls, camera_matrix: ArrayLike) -> Camera:
        """Create a camera from a 3x3 matrix of ``cv2.calibrateCamera``.

        Raises:
            InputError: not such a matrix, or one with skew.
        """
        try:
            k = np.asarray(camera_matrix, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"camera_matrix must be 3 x 3 numbers ({error})") from None
        if k.shape != (3, 3):
            raise InputError(f"camera_matrix must be 3 x 3 numbers, got shape {k.shape}")
        if k[0, 1] != 0 or k[1, 0] != 0 or not np.array_equal(k[2], [0, 0, 1]):
            raise InputError(f"camera_matrix must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {k.tolist()}")
        return cls(k[0, 0], k[1, 1], k[0, 2] + _OPENCV_CENTER, k[1, 2] + _OPENCV_CENTER)

    def scaled(self, factor: float) -> Camera:
        """Return the camera of frames that were resized by ``factor``."""
        return Camera(self.fx * factor, self.fy * factor, self.cx * factor, self.cy * factor)

    def rays(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rays ``[..., 3]``, z = 1, through image points ``[..., 2]``."""
        x, y = (points[..., 0] - self.cx) / self.fx, (points[..., 1] - self.cy) / self.fy
        return np.stack([x, y, np.ones_like(x)], axis=-1)

    def project(self, rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the image points ``[..., 2]`` of rays ``[..., 3]`` with z > 0."""
        return rays[..., :2] / rays[..., 2:] * [self.fx, self.fy] + [self.cx, self.cy]


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, got {value!r}")
    return number
