"""Camera intrinsics of the command line: four numbers, or a file of OpenCV's calibration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError, SourceError

_FILE = "a file of cv2.FileStorage (.yml, .json, .xml) with a 3x3 camera_matrix, as OpenCV's calibration writes it"
_TEXT = "fx,fy,cx,cy[,k1,k2,p1,p2[,k3[,k4,k5,k6]]]"
_NUMBERS = (4, 8, 9, 12)
_LENS = ("distortion_coefficients", "dist_coeffs", "dist_coeff", "distCoeffs", "D")
_MODELS = {"plumb_bob": False, "rational_polynomial": False, "equidistant": True, "fisheye": True}


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
        storage = cv2.FileStorage(path.read_text(encoding="utf-8"), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        matrix = storage.getNode("camera_matrix").mat()
        lens = next((_numbers(node) for node in map(storage.getNode, _LENS) if not node.empty()), None)
        sizes = [storage.getNode(name) for name in ("image_width", "image_height")]
        size = tuple(int(node.real()) if node.isInt() or node.isReal() else 0 for node in sizes)
    except (OSError, ValueError, OverflowError, cv2.error, SystemError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "not such a file"
        raise SourceError(f"cannot read the intrinsics {path} ({reason}); needed is {_FILE}") from None
    if matrix is None or np.shape(matrix) != (3, 3):
        raise SourceError(f"the intrinsics {path} hold no 3x3 camera_matrix; needed is {_FILE}")
    fisheye = _is_fisheye(storage, path)
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


def _numbers(node: cv2.FileNode) -> Any:
    """Return the numbers of a matrix or a list; of anything else its kind, which is refused later."""
    if node.isSeq():
        return [node.at(k).real() for k in range(node.size())]
    return node.mat() if node.isMap() else f"a value of {node.name()}"


def _is_fisheye(storage: cv2.FileStorage, path: Path) -> bool:
    """Return True for the model of cv2.fisheye, named as OpenCV's samples or ROS do."""
    model = storage.getNode("distortion_model")
    if model.isString():
        if model.string() not in _MODELS:
            raise InputError(
                f"the intrinsics {path} have the distortion model {model.string()!r}; supported are "
                f"{', '.join(_MODELS)}; undistort the frames first, and give the camera without distortion"
            )
        return _MODELS[model.string()]
    flag = storage.getNode("fisheye_model")
    return bool(flag.isInt() and flag.real())
