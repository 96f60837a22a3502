"""Faces turned out of the picture's plane: new poses whose change is known exactly.

A mesh over 68 landmarks, their depth from a mean head, forehead, ears and neck is turned, and the picture is drawn with
it, far triangles first; the background follows less and less towards a fixed rim. The idea is the face profiling of Zhu
et al., 2016, arXiv:1511.07212, which fits a dense face model; here a coarse mesh has to do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.teaching.arrays import FACE, MIDDLE, SIDE, Float64Array, Image
from hpe_edge.opencv.lazy import cv2

_BROWS, _CHIN, _JAW_ENDS, _UNDER = (17, 19, 21, 22, 24, 26), 8, ((0, -1), (16, 1)), (4, 6, 8, 10, 12)
# Points around the landmarks: across (a factor for brows and neck, outwards in head heights for the sides), up and back
# in heights from chin to brows.
_ABOVE_BROWS = ((1.0, 0.35, 0.08), (0.95, 0.68, 0.38))
_BESIDE_JAW = ((0.10, 0.05, 0.20), (0.12, 0.45, 0.30), (0.08, -0.35, 0.25), (0.02, 0.85, 0.55))
_BELOW_CHIN = (1.02, -0.18, 0.35)
_PIVOT = np.array([0.0, 0.1, 0.55])  # the head turns about its middle, behind the face
_SPREAD = 1.6  # the fixed rim of the mesh lies outside the patch, in patch sides
_RIM_POINTS = 5  # on each side
_SUBPIXEL_BITS = 4


class Placed(NamedTuple):
    """A face in a patch.

    Attributes:
        points: float ``[68, 2]``, its landmarks in pixels.
        rotation: ``[3, 3]``, its pose.
        scale, shift: the mean head's place, see :func:`export.turning.head_shape.placed`.
    """

    points: NDArray[np.floating]
    rotation: Float64Array
    scale: float
    shift: Float64Array


class HeadMesh:
    """Mesh of the mean head."""

    def __init__(self, shape: Float64Array) -> None:
        """
        Args:
            shape: ``[68, 3]``, see :func:`export.turning.head_shape.mean_head`.
        """
        self._count = len(shape)
        self._head = np.concatenate([shape, _around(shape)])
        steps = np.linspace(-0.5, 0.5, _RIM_POINTS)
        rim = np.array([(x, y) for x in steps for y in steps if 0.5 in (abs(x), abs(y))]) * _SPREAD
        self._rim = MIDDLE + SIDE * rim
        self._triangles = _triangles(np.concatenate([self._head[:, :2], rim * SIDE / FACE]))

    def outline(self, face: Placed, turn: Float64Array) -> Float64Array:
        """The landmarks ``[68, 2]`` of :meth:`turn`'s picture."""
        return self._moved(face, turn)[1][: self._count, :2]

    def turn(self, picture: Image, face: Placed, turn: Float64Array) -> Image:
        """Turn a face by ``turn`` ``[3, 3]`` in the camera's frame: its rotation becomes turn @ rotation.

        Args:
            picture: a patch.
            face: the face in it.
            turn: the turn.

        Returns:
            The picture; the box of the landmarks is in its middle, the longer side FACE pixels.
        """
        head, moved = self._moved(face, turn)
        before = np.concatenate([head[:, :2], self._rim])[self._triangles]
        after = np.concatenate([moved[:, :2], self._rim])[self._triangles]
        depth = np.concatenate([moved[:, 2], np.full(len(self._rim), float(SIDE))])[self._triangles].mean(axis=1)
        # What shows its back is hidden by the rest, so it is drawn first.
        hidden = _area(after) * np.sign(np.median(_area(before))) < 0
        return _drawn(picture, before, after, np.lexsort((-depth, ~hidden)))

    def _moved(self, face: Placed, turn: Float64Array) -> tuple[Float64Array, Float64Array]:
        """The head's points before and after the turn, ``[P, 3]`` each."""
        head = self._head @ face.rotation.T * face.scale
        head[:, :2] += face.shift
        head[: self._count, :2] = face.points  # the face's own outline; only the depth is the mean head's
        pivot = face.rotation @ _PIVOT * face.scale + np.array([*face.shift, 0.0])
        moved = (head - pivot) @ turn.T + pivot
        low, high = moved[: self._count, :2].min(axis=0), moved[: self._count, :2].max(axis=0)
        moved[:, :2] = (moved[:, :2] - (low + high) / 2) * FACE / (high - low).max() + MIDDLE
        return head, moved


def _around(shape: Float64Array) -> Float64Array:
    """Points on forehead, sides and neck."""
    height = shape[_CHIN, 1] - shape[list(_BROWS), 1].mean()
    points = [
        shape[i] * (across, 1, 1) + np.array([0, -up, back]) * height
        for i in _BROWS
        for across, up, back in _ABOVE_BROWS
    ]
    points += [
        shape[i] + np.array([side * out, -up, back]) * height for i, side in _JAW_ENDS for out, up, back in _BESIDE_JAW
    ]
    across, up, back = _BELOW_CHIN
    points += [shape[i] * (across, 1, 1) + np.array([0, -up, back]) * height for i in _UNDER]
    return np.array(points)


def _triangles(points: Float64Array) -> NDArray[np.intp]:
    """Delaunay's triangles ``[T, 3]`` of points ``[P, 2]``."""
    reach = int(np.abs(points).max()) + 1
    mesh = cv2.Subdiv2D()
    mesh.initDelaunay((-reach, -reach, 2 * reach, 2 * reach))
    mesh.insert(points.astype(np.float32).tolist())
    corners = np.asarray(mesh.getTriangleList(), np.float64).reshape(-1, 3, 1, 2)
    apart = np.abs(corners - points).sum(axis=3)
    # OpenCV adds corners far outside, whose triangles are none of ours.
    return np.asarray(apart.argmin(axis=2)[(apart.min(axis=2) < 1e-4).all(axis=1)])


def _area(triangles: Float64Array) -> Float64Array:
    """Twice the signed areas ``[T]`` of triangles ``[T, 3, 2]``."""
    one, two = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return np.asarray(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])


def _drawn(picture: Image, before: Float64Array, after: Float64Array, order: NDArray[np.intp]) -> Image:
    """The picture with triangles ``[T, 3, 2]`` moved; later ones of the order cover earlier ones."""
    owner = np.full((SIDE, SIDE), -1, np.int32)
    corners = np.rint((after - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    for triangle in order:
        cv2.fillConvexPoly(owner, corners[triangle], int(triangle), shift=_SUBPIXEL_BITS)
    whole = np.concatenate([after, np.ones((len(after), 3, 1))], axis=2)
    whole[np.abs(np.linalg.det(whole)) < 1e-3] = np.eye(3)  # seen from the edge: it covers no pixel
    back = np.linalg.solve(whole, before).astype(np.float32)[np.maximum(owner, 0)]
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) + np.float32(0.5)
    places = back[..., 0, :] * x[..., None] + back[..., 1, :] * y[..., None] + back[..., 2, :]
    places = np.where((owner < 0)[..., None], np.stack([x, y], axis=-1), places) - np.float32(0.5)
    return np.asarray(
        cv2.remap(picture, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
