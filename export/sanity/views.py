"""Views of the bundled photos that are related by known turns: the panel of the sanity check.

Each photo stands as it is and turned in depth, right and left, up and down, as :mod:`export.turning` draws it; each of
these also mirrored and turned in the picture to both sides.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.teaching.arrays import FACE, MIRROR, RIM, SIDE, Float64Array, Image, turned_square, warp
from export.turning.turned_faces import HeadMesh, Placed
from hpe_edge.errors import SourceError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.opencv.lazy import cv2
from hpe_edge.samples import FOLDER

YAW_DEG, PITCH_DEG, ROLL_DEG = 25.0, 15.0, 25.0
"""Turns of the views to each side: in depth, and in the picture."""

_DEPTH = ((0.0, 0.0), (YAW_DEG, 0.0), (-YAW_DEG, 0.0), (0.0, PITCH_DEG), (0.0, -PITCH_DEG))
_ROLLS = (ROLL_DEG, -ROLL_DEG)
_LANDMARKS = Path(__file__).parent / "landmarks.json"  # of the photos, by 3DDFA_V2, and a mean head of landmarks


class View(NamedTuple):
    """One picture of a head.

    Attributes:
        image, box: uint8 ``[H, W, 3]`` BGR, and float32 ``[4]``, the box of the landmarks.
        face: number of the photo.
        depth_deg: yaw and pitch that it is turned by in depth, after the labels' signs.
        roll_deg: that it is turned by clockwise in the picture.
        mirrored: left and right are exchanged; such a view is not rolled.
    """

    image: Image
    box: NDArray[np.float32]
    face: int
    depth_deg: tuple[float, float]
    roll_deg: float
    mirrored: bool

    def upright(self, rotation: Float64Array) -> Float64Array:
        """The pose ``[3, 3]`` that the photo itself has, where this view's is ``rotation``."""
        unmirrored = MIRROR @ rotation @ MIRROR if self.mirrored else rotation
        return np.asarray(_back(*self.depth_deg, self.roll_deg) @ unmirrored)


@functools.cache  # the views have a few turns, and each reading of a network asks for all of them
def _back(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Float64Array:
    """The rotation from a view to its photo."""
    return np.asarray(turn(yaw_deg, pitch_deg, 0.0).T @ turn(0.0, 0.0, roll_deg).T)


def turn(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Float64Array:
    """The rotation ``[3, 3]`` of these angles, in the labels' signs."""
    return np.asarray(rotation_from_euler(np.array([yaw_deg, pitch_deg, roll_deg])), np.float64)


@functools.lru_cache(maxsize=1)
def sanity_views() -> tuple[View, ...]:
    """All views, about a second's work; treat them as read-only.

    Raises:
        SourceError: a bundled photo cannot be read.
    """
    stored = json.loads(_LANDMARKS.read_text())
    shape = np.array(stored["head"])
    mesh = HeadMesh(shape)
    views: list[View] = []
    for face, (name, points) in enumerate(stored["photos"].items()):
        photo = cv2.imread(str(FOLDER / name))
        if photo is None:
            raise SourceError(f"cannot read {FOLDER / name}; hpe_edge is not installed completely, install it again")
        box = np.array(stored["boxes"][name], np.float32)
        side = float((box[2:] - box[:2]).max()) * SIDE / FACE
        middle = (box[:2].astype(np.float64) + box[2:]) / 2
        patch = warp(np.asarray(photo, np.uint8), turned_square(middle, side, 0.0, SIDE), SIDE)
        head = _placed(shape, np.array(points))
        for depth in _DEPTH:
            rotation = turn(*depth, 0.0)
            picture = mesh.turn(patch, head, rotation) if any(depth) else patch
            outline = mesh.outline(head, rotation) if any(depth) else head.points
            views += _in_plane(picture, _box_of(outline), face, depth)
    return tuple(views)


def _placed(shape: Float64Array, points: Float64Array) -> Placed:
    """The head's pose and place by its landmarks ``[68, 2]``, seen from afar."""
    flat = np.linalg.lstsq(shape - shape.mean(axis=0), points - points.mean(axis=0), rcond=None)[0].T
    left, sizes, right = np.linalg.svd(flat)
    x, y = left @ right[:2]
    rotation, scale = np.stack([x, y, np.cross(x, y)]), float(sizes.mean())
    return Placed(points, rotation, scale, points.mean(axis=0) - scale * rotation[:2] @ shape.mean(axis=0))


def _in_plane(picture: Image, box: NDArray[np.float32], face: int, depth: tuple[float, float]) -> list[View]:
    """A view as it is, mirrored, and turned in the picture."""
    # Crops of some families reach beyond the patch.
    wide = np.asarray(cv2.copyMakeBorder(picture, RIM, RIM, RIM, RIM, cv2.BORDER_REPLICATE), np.uint8)
    box = box + np.float32(RIM)
    left, top, right, bottom = (float(side) for side in box)
    width, height = wide.shape[1], wide.shape[0]
    other_side = np.array([width - right, top, width - left, bottom], np.float32)
    views = [
        View(wide, box, face, depth, 0.0, False),
        View(np.ascontiguousarray(wide[:, ::-1]), other_side, face, depth, 0.0, True),
    ]
    for roll in _ROLLS:
        back = cv2.getRotationMatrix2D(((left + right) / 2, (top + bottom) / 2), -roll, 1.0)
        rolled = cv2.warpAffine(wide, back, (width, height), borderMode=cv2.BORDER_REPLICATE)
        views.append(View(np.asarray(rolled, np.uint8), box, face, depth, roll, False))
    return views


def _box_of(points: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)
