"""Estimate of a head's position from its box and a camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.camera import Camera
from hpe_edge.poses import Poses

# From chin to eyebrows of an adult, our rough estimate; it only scales the position.
FACE_HEIGHT_M = 0.125


def known_position_m(poses: Poses, face: int, camera: Camera | None) -> tuple[float, float, float] | None:
    """Return x (right), y (down), z (away from the camera) of a face in metres, None if nothing tells them.

    Args:
        poses: a translation in them comes first.
        face: place in the poses.
        camera: of the frame, by which the box tells the position.
    """
    x, y, z = poses.translation[face].tolist()
    if np.isfinite([x, y, z]).all():
        return x, y, z
    return None if camera is None else head_position_m(poses.boxes[face], camera)


def head_position_m(box: NDArray[np.float32], camera: Camera) -> tuple[float, float, float]:
    """Return x (right), y (down), z (away from the camera) in metres of the middle of a box ``[4]``.

    The direction is the box's; the distance is that of an adult's face of this height in the picture.
    """
    x1, y1, x2, y2 = box.tolist()
    if camera.distortion is not None:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        middle, top, bottom = camera.rays(np.array([[x, y], [x, y1], [x, y2]]))
        z = FACE_HEIGHT_M / float(bottom[1] - top[1])
        return float(middle[0]) * z, float(middle[1]) * z, z
    z = camera.fy * FACE_HEIGHT_M / (y2 - y1)
    return ((x1 + x2) / 2 - camera.cx) / camera.fx * z, ((y1 + y2) / 2 - camera.cy) / camera.fy * z, z
