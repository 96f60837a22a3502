"""Camera intrinsics of the command line: four numbers, or a file of OpenCV's calibration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError, SourceError
from hpe_edge.util.opencv_storage import read_storage

_FILE = "a file of cv2.FileStorage (.yml, .json, .xml) with a 3x3 camera_matrix, as OpenCV's calibration writes it"
_SIZE = ("image_width", "image_height")
_LONGEST = 1e6  # pixels of a side


def read_intrinsics(text: str) -> Callable[[int, int], Camera]:
    """Return a function that creates the camera for a frame's width and height.

    The principal point counts from the centre of the top-left pixel, as in OpenCV. Where the file holds the size of
    the calibration images, frames must have that size or be scaled from it.

    Args:
        text: ``fx,fy,cx,cy`` in pixels, or the name of a file.

    Raises:
        InputError: neither; the returned function raises it for frames with another aspect ratio.
        SourceError: a file that cannot be read.
    """
    parts = text.split(",")
    if len(parts) == 4:
        try:
            fx, fy, cx, cy = map(float, parts)
        except ValueError:
            raise InputError(f"intrinsics must be fx,fy,cx,cy in pixels, or {_FILE}, got {text!r}") from None
        camera = Camera.from_opencv(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]))
        return lambda width, height: camera
    path = Path(text)
    if not path.is_file():
        raise InputError(f"intrinsics must be fx,fy,cx,cy in pixels, or {_FILE}; there is no file {text!r}")
    return _from_file(path)


def _from_file(path: Path) -> Callable[[int, int], Camera]:
    try:
        found = read_storage(path, ("camera_matrix", *_SIZE))
    except SourceError as error:
        raise SourceError(f"{error}; the intrinsics must be {_FILE}") from None
    matrix = found.get("camera_matrix")
    if matrix is None or np.shape(matrix) != (3, 3):
        raise SourceError(f"the intrinsics {path} hold no 3x3 camera_matrix; needed is {_FILE}")
    sides = [side for name in _SIZE if isinstance(side := found.get(name), float)]
    if not all(abs(side) <= _LONGEST for side in sides):
        raise SourceError(f"the intrinsics {path} are for images of {sides} pixels; needed is {_FILE}")
    size = tuple(map(int, sides)) if len(sides) == len(_SIZE) else (0, 0)
    camera = Camera.from_opencv(matrix)

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
