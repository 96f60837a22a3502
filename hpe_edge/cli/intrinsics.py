"""Camera intrinsics of the command line: four numbers, or a file of OpenCV's calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError, SourceError
from hpe_edge.opencv.opencv_storage import Node, read_storage

_FILE = "a file of cv2.FileStorage (.yml, .json, .xml) with a 3x3 camera_matrix, as OpenCV's calibration writes it"
_TEXT = "fx,fy,cx,cy[,k1,k2,p1,p2[,k3[,k4,k5,k6]]]"
_NUMBERS = (4, 8, 9, 12)
_LENS = ("distortion_coefficients", "dist_coeffs", "dist_coeff", "distCoeffs", "D")
_MODELS = {"plumb_bob": False, "rational_polynomial": False, "equidistant": True, "fisheye": True}
_SIZE = ("image_width", "image_height")
_LONGEST = 1e6  # pixels of a side


def read_intrinsics(text: str) -> Callable[[int, int], Camera]:
    """Return a function that creates the camera for a frame's width and height.

    The principal point counts from the centre of the top-left pixel, as in OpenCV. Where the file holds the size of
    the calibration images, frames must have that size or be scaled from it.

    Args:
        text: ``fx,fy,cx,cy`` in pixels, with distortion ``,k1,k2,p1,p2[,k3[,k4,k5,k6]]``, or the name of a file.

    Raises:
        InputError: neither; the returned function raises it for frames with another aspect ratio.
        SourceError: a file that cannot be read.
    """
    parts = text.split(",")
    if len(parts) in _NUMBERS:
        try:
            fx, fy, cx, cy, *lens = map(float, parts)
        except ValueError:
            raise InputError(f"intrinsics must be {_TEXT} in pixels, or {_FILE}, got {text!r}") from None
        camera = Camera.from_opencv(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), lens or None)
        return lambda width, height: camera
    path = Path(text)
    if not path.is_file():
        raise InputError(f"intrinsics must be {_TEXT} in pixels, or {_FILE}; there is no file {text!r}")
    return _from_file(path)


def _from_file(path: Path) -> Callable[[int, int], Camera]:
    try:
        found = read_storage(path, ("camera_matrix", *_SIZE, *_LENS, "distortion_model", "fisheye_model"))
    except SourceError as error:
        raise SourceError(f"{error}; the intrinsics must be {_FILE}") from None
    matrix = found.get("camera_matrix")
    if matrix is None or np.shape(matrix) != (3, 3):
        raise SourceError(f"the intrinsics {path} hold no 3x3 camera_matrix; needed is {_FILE}")
    sides = [side for name in _SIZE if isinstance(side := found.get(name), float)]
    if not all(abs(side) <= _LONGEST for side in sides):
        raise SourceError(f"the intrinsics {path} are for images of {sides} pixels; needed is {_FILE}")
    size = tuple(map(int, sides)) if len(sides) == len(_SIZE) else (0, 0)
    lens = next((found[name] for name in _LENS if name in found), None)
    if lens is not None and not isinstance(lens, np.ndarray):
        raise InputError(f"the intrinsics {path}: the distortion coefficients must be numbers, got {lens!r}")
    fisheye = _is_fisheye(found, path)
    try:
        camera = Camera.from_opencv(matrix, lens, fisheye=fisheye)
    except InputError as error:
        raise InputError(f"the intrinsics {path}: {error}") from None

    def of_frames(width: int, height: int) -> Camera:
        if min(size) < 1:
            return camera
        scale = width / size[0]
        if abs(height - scale * size[1]) > 1:
            raise InputError(
                f"the intrinsics {path} are for {size[0]} x {size[1]} pixels; frames of {width} x {height} have "
                "another aspect ratio"
            )
        return camera.scaled(scale)

    return of_frames


def _is_fisheye(found: Mapping[str, Node], path: Path) -> bool:
    """Return True for the model of cv2.fisheye, named as OpenCV's samples or ROS do."""
    model = found.get("distortion_model")
    if isinstance(model, str):
        if model not in _MODELS:
            raise InputError(
                f"the intrinsics {path} have the distortion model {model!r}; supported are "
                f"{', '.join(_MODELS)}; undistort the frames first, and give the camera without distortion"
            )
        return _MODELS[model]
    flag = found.get("fisheye_model")
    return isinstance(flag, float) and bool(flag)
