"""Drawing poses: the head's axes, a cube or an arrow along the nose, the box, and a label with the angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.camera import Camera
from hpe_edge.drawing.labels import Label, draw_labels
from hpe_edge.drawing.projection import view_lines
from hpe_edge.drawing.shapes import SHAPES, Style, axis_ends
from hpe_edge.drawing.strokes import FAR, OKABE_ITO, WHITE, Color, draw_lines, fixed
from hpe_edge.errors import InputError
from hpe_edge.poses import Poses

__all__ = ["Style", "axis_ends", "draw_poses", "identity_color"]

_ROOMY = 400  # pixels; in lower frames a second line of text would hide other faces

# With yellow and a pink; BGR.
_IDENTITY_COLORS: tuple[Color, ...] = (*OKABE_ITO, (66, 228, 240), (203, 192, 255))


def identity_color(identity: int) -> Color | None:
    """Return the BGR colour of an identity, None if it is negative. Colours repeat after eight."""
    return None if identity < 0 else _IDENTITY_COLORS[identity % len(_IDENTITY_COLORS)]


def draw_poses(
    frame_bgr: NDArray[np.uint8],
    boxes: NDArray[np.floating],
    poses: Poses,
    *,
    style: Style = "axes",
    ids: ArrayLike | None = None,
    camera: Camera | None = None,
) -> None:
    """Draw all poses into the frame, small faces first, since they are usually further away.

    A label shows the identity, the angles, and their sigma where it is known and the frame is large enough.

    Args:
        frame_bgr: uint8 ``[H, W, 3]``, drawn on in place.
        boxes: ``[N, 4]``, x1 y1 x2 y2 in pixels; may leave the frame.
        poses: of the N boxes; faces with NaN are skipped.
        style: ``"axes"``, ``"cube"`` (the nose's side is tinted) or ``"arrow"`` (along the nose).
        ids: int ``[N]``, identities for colour and label; -1 for none.
        camera: of the frame, if the poses were rectified with it: shapes are drawn in its perspective, without it in
            orthographic projection.

    Raises:
        InputError: a frame that cannot be drawn on, an unknown style, or boxes, poses and ids that disagree in N.
    """
    _check_frame(frame_bgr)
    if style not in SHAPES:
        raise InputError(f"style must be one of {', '.join(SHAPES)}, got {style!r}")
    if len(boxes) != len(poses):
        raise InputError(f"there must be one pose per box, got {len(boxes)} boxes and {len(poses)} poses")
    names = np.full(len(boxes), -1) if ids is None else np.asarray(ids)
    if names.shape != (len(boxes),):
        raise InputError(f"there must be one id per box, got {len(boxes)} boxes and ids of shape {names.shape}")
    places = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = places[:, 2:] - places[:, :2]
    known = np.isfinite(poses.rotation).all(axis=(1, 2)) & np.isfinite(poses.angles).all(axis=1)
    drawn = np.flatnonzero(known & (np.abs(places) < FAR).all(axis=1) & (sides > 0).all(axis=1))
    drawn = drawn[np.argsort(sides[drawn].max(axis=1), kind="stable")]
    places, sides = places[drawn], sides[drawn].max(axis=1)
    shape = SHAPES[style]
    lines, depths = view_lines(shape.lines, places, poses.rotation[drawn], camera)
    ends, corners = fixed(lines), fixed(_corners(places))
    fine = max(1, round(min(frame_bgr.shape[:2]) / 360))  # pixels of a line that is seen when the frame fills a screen
    roomy = frame_bgr.shape[0] >= _ROOMY
    labels = []
    for k, i in enumerate(drawn.tolist()):
        identity = int(names[i])
        color = identity_color(identity)
        thickness = max(2, fine, round(sides[k] / 45))
        draw_lines(frame_bgr, corners[k], [color or WHITE], max(fine, thickness // 2), smooth=False)
        shape.draw(frame_bgr, ends[k], depths[k], thickness, color)
        # In proportion to the face, but never too small to read when the whole frame fills a screen.
        capital = max(0.07 * (places[k, 3] - places[k, 1]), frame_bgr.shape[0] / 70, 8.0)
        name = "" if color is None else f"#{identity}"
        labels.append(Label(name, color or WHITE, _label_lines(poses, i, roomy), capital))
    draw_labels(frame_bgr, places, labels)


def _label_lines(poses: Poses, i: int, roomy: bool) -> tuple[str, ...]:
    angles = "Y{:+.0f} P{:+.0f} R{:+.0f}".format(*(round(float(a)) + 0.0 for a in poses.angles[i]))
    if not roomy or not np.isfinite(poses.sigma[i]).all():
        return (angles,)
    return (angles, "sigma {:.0f} {:.0f} {:.0f}".format(*poses.sigma[i]))


def _check_frame(frame: NDArray[np.uint8]) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.flags.writeable:
        raise InputError(
            f"the frame must be a writeable uint8 array [H, W, 3], got {frame.dtype} {frame.shape}; "
            "pass np.array(frame) to draw on a copy"
        )
    if not frame.flags.c_contiguous:
        raise InputError("the frame must be C-contiguous to be drawn on in place; pass np.ascontiguousarray(frame)")


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lines for the four corners of each box, ``[N, 4, 3, 2]``, of boxes ``[N, 4]``."""
    x1, y1, x2, y2 = boxes.T
    reach = 0.2 * np.minimum(x2 - x1, y2 - y1)
    bends = [
        [(x + dx, y), (x, y), (x, y + dy)]
        for x, dx in ((x1, reach), (x2, -reach))
        for y, dy in ((y1, reach), (y2, -reach))
    ]
    return np.moveaxis(np.array(bends), -1, 0)
