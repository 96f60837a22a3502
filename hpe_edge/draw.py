"""Drawing poses: the head's axes, the box and the angles.

The axes are the columns of R, seen from far away (orthographic): x red, to the right in the image for a face that looks
into the camera; y green, to its chin; and the nose direction R (0, 0, -1) blue, out of the face. HopeNet's pictures use
the same axes and colours.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.poses import Poses

Color = tuple[int, int, int]

_RED, _GREEN, _BLUE = (40, 40, 235), (60, 200, 40), (245, 90, 30)  # BGR
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_COLORS = (_RED, _GREEN, _BLUE)
_SUBPIXEL_BITS = 4  # cv2 takes coordinates in 1/16 pixel
_FONT_PIXELS = 22.0  # height of a capital of FONT_HERSHEY_SIMPLEX at scale 1
_FAR = 1e5  # pixels; what lies further out is not drawn, and cv2's coordinates would overflow at 1e8


def axis_ends(rotation: NDArray[np.floating], length: float) -> NDArray[np.float64]:
    """Where the drawn axes end, relative to where they start.

    Args:
        rotation: ``[3, 3]``, head to camera.
        length: pixels of an axis that lies in the image plane.

    Returns:
        float64 ``[3, 2]``: x right, y down in pixels for the axes x, y and nose.
    """
    r = np.asarray(rotation, np.float64)
    return length * np.stack([r[:2, 0], r[:2, 1], -r[:2, 2]])


def draw_poses(frame_bgr: NDArray[np.uint8], boxes: NDArray[np.floating], poses: Poses) -> None:
    """Draw all poses into the frame.

    Args:
        frame_bgr: uint8 ``[H, W, 3]``, drawn on in place.
        boxes: ``[N, 4]``, x1 y1 x2 y2 in pixels; may leave the frame.
        poses: of the N boxes. One that is NaN is skipped with its box.

    Raises:
        InputError: a frame that cannot be drawn on, or boxes and poses that disagree in N.
    """
    if frame_bgr.dtype != np.uint8 or frame_bgr.ndim != 3 or frame_bgr.shape[2] != 3 or not frame_bgr.flags.writeable:
        raise InputError(
            f"the frame must be a writeable uint8 array [H, W, 3], got {frame_bgr.dtype} {frame_bgr.shape}; "
            "pass np.array(frame) to draw on a copy"
        )
    if not frame_bgr.flags.c_contiguous:
        raise InputError("the frame must be C-contiguous to be drawn on in place; pass np.ascontiguousarray(frame)")
    if len(boxes) != len(poses):
        raise InputError(f"there must be one pose per box, got {len(boxes)} boxes and {len(poses)} poses")
    for box, angles, rotation in zip(np.asarray(boxes, np.float64), poses.angles, poses.rotation, strict=True):
        if np.isfinite(rotation).all() and np.isfinite(angles).all() and np.abs(box).max(initial=0.0) < _FAR:
            _draw_pose(frame_bgr, box, angles, rotation)


def _draw_pose(
    frame: NDArray[np.uint8],
    box: NDArray[np.float64],
    angles: NDArray[np.float32],
    rotation: NDArray[np.float32],
) -> None:
    side = float(max(box[2] - box[0], box[3] - box[1]))
    thickness = max(1, round(side / 45), round(min(frame.shape[:2]) / 500))
    _draw_corners(frame, box, max(1, thickness // 2))
    center = (box[:2] + box[2:]) / 2
    depth = (rotation[2, 0], rotation[2, 1], -rotation[2, 2])
    ends = axis_ends(rotation, length=0.75 * side)
    for axis in np.argsort(depth)[::-1]:  # what is nearer to the camera covers what is further away
        _draw_line(frame, center, center + ends[axis], _COLORS[axis], thickness)
    _draw_label(frame, box, "Y{:+.0f} P{:+.0f} R{:+.0f}".format(*(round(float(a)) + 0.0 for a in angles)))


def _draw_line(
    frame: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], color: Color, thickness: int
) -> None:
    a, b = (tuple(int(v) for v in np.rint(p * (1 << _SUBPIXEL_BITS))) for p in (start, end))
    # A dark rim keeps the line visible on any background.
    for paint, wide in ((_BLACK, thickness + 2), (color, thickness)):
        cv2.line(frame, a, b, paint, wide, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_corners(frame: NDArray[np.uint8], box: NDArray[np.float64], thickness: int) -> None:
    x1, y1, x2, y2 = box
    reach = 0.2 * min(x2 - x1, y2 - y1)
    for x, dx in ((x1, reach), (x2, -reach)):
        for y, dy in ((y1, reach), (y2, -reach)):
            corner = np.array([x, y])
            _draw_line(frame, corner, corner + np.array([dx, 0]), _WHITE, thickness)
            _draw_line(frame, corner, corner + np.array([0, dy]), _WHITE, thickness)


def _draw_label(frame: NDArray[np.uint8], box: NDArray[np.float64], text: str) -> None:
    """White on black above the box, where no axis of an upright face goes; below where the frame ends above."""
    height, width = frame.shape[:2]
    # A tenth of the face, but never too small to read when the whole frame fills a screen.
    capital = max(0.1 * (box[3] - box[1]), height / 70, 8.0)
    font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, capital / _FONT_PIXELS, max(1, round(capital / 9))
    (text_w, text_h), below = cv2.getTextSize(text, font, scale, thickness)
    pad = max(2, round(capital / 4))
    full_w, full_h = text_w + 2 * pad, text_h + below + 2 * pad
    left = round(min(max(0.0, (box[0] + box[2] - full_w) / 2), max(0, width - full_w)))
    above = box[1] - pad - full_h
    top = round(above if above >= 0 else min(max(0.0, box[3] + pad), max(0, height - full_h)))
    cv2.rectangle(frame, (left, top), (left + full_w, top + full_h), _BLACK, cv2.FILLED)
    cv2.putText(frame, text, (left + pad, top + pad + text_h), font, scale, _WHITE, thickness, cv2.LINE_AA)
