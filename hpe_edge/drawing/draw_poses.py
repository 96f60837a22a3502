"""Drawing of poses into a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.camera import Camera
from hpe_edge.drawing.draw_faces import draw_faces, identity_color
from hpe_edge.drawing.shapes import axis_ends
from hpe_edge.drawing.style import Style
from hpe_edge.errors import InputError
from hpe_edge.poses import Poses

__all__ = ["axis_ends", "draw_poses", "identity_color"]


def draw_poses(
    frame_bgr: NDArray[np.uint8],
    poses: Poses,
    *,
    boxes: NDArray[np.floating] | None = None,
    ids: ArrayLike | None = None,
    landmarks: NDArray[np.floating] | None = None,
    style: Style = "axes",
    camera: Camera | None = None,
) -> None:
    """Draw all poses into the frame, small faces first, since they are usually further away.

    A label shows the identity, the angles, and their sigma where it is known and the frame is large enough. Doubtful
    faces are pale, under the others, with a question mark. Landmarks are dots, hidden ones black.

    Args:
        frame_bgr: uint8 ``[H, W, 3]``, drawn on in place.
        poses: of N faces; those with NaN are skipped.
        boxes: ``[N, 4]``, x1 y1 x2 y2 in pixels, which may leave the frame; None: those of the poses.
        ids: int ``[N]``, identities for colour and label; -1 for none. None: those of the poses.
        landmarks: ``[N, L, 2]`` in pixels, with L of the poses; None: those of the poses.
        style: ``"axes"``, ``"cube"`` (the nose's side is tinted) or ``"arrow"`` (along the nose).
        camera: of the frame, if the poses were rectified with it: shapes are drawn in its perspective, without it in
            orthographic projection.

    Raises:
        InputError: a frame that cannot be drawn on, an unknown style, boxes, poses, ids and landmarks that disagree in
            N, or poses without boxes.
    """
    places = poses.boxes if boxes is None else boxes
    if len(places) != len(poses):
        raise InputError(f"there must be one pose per box, got {len(places)} boxes and {len(poses)} poses")
    if boxes is None and np.isnan(places).any():
        raise InputError("these poses have no boxes to draw at; pass boxes=")
    names = poses.ids if ids is None else np.asarray(ids)
    if names.shape != (len(poses),):
        raise InputError(f"there must be one id per box, got {len(poses)} boxes and ids of shape {names.shape}")
    points = poses.landmarks if landmarks is None else landmarks
    if points.shape != poses.landmarks.shape:
        raise InputError(f"there must be {poses.landmarks.shape} landmarks, got {points.shape}")
    draw_faces(
        frame_bgr,
        places,
        poses.angles,
        poses.sigma,
        poses.rotation,
        ids=names.astype(np.int64),
        doubtful=poses.doubtful,
        landmarks=points,
        visibility=poses.visibility,
        style=style,
        camera=camera,
    )
