"""Faces of a picture with their poses, and the two steps by which a video's pipeline runs a whole-picture model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpe_edge.errors import InputError
from hpe_edge.faces.detector import Detections
from hpe_edge.poses import Poses

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hpe_edge.camera import Camera


@dataclass(frozen=True)
class PictureFaces(Detections):
    """Faces that a whole-picture model found.

    Attributes:
        poses: of the faces, in their order.
    """

    poses: Poses = field(kw_only=True)


def known_poses(
    frame: NDArray[np.uint8], faces: Detections, *, camera: Camera | None = None, timer: object = None
) -> Poses:
    """Return the poses that came with the faces: the second step of a pipeline, in place of an engine's call.

    Args:
        frame: not read.
        faces: a picture's, with the boxes and identities that a tracker gave them.
        camera: must be None: the model has a camera of its own.
        timer: not called; the time belongs to the first step.

    Raises:
        InputError: faces of another detector, or a camera.
    """
    if not isinstance(faces, PictureFaces):
        raise InputError("a whole-picture model needs every frame: leave out detect_every and boxes")
    if camera is not None:
        raise InputError("a whole-picture model has a camera of its own; leave camera out")
    return faces.poses.at(faces.boxes, faces.ids)
