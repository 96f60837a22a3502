"""Rectification: the view of a virtual camera that looks straight at each face, and the transform back.

Networks are trained on faces near the optical axis. A face off the axis is seen from the side, so its image shows
another rotation than the one in the camera's frame, and is stretched as well. The virtual camera has the same centre
and focal lengths, turned by R_view, the shortest rotation that takes the optical axis (0, 0, 1) to the face's ray d:

    x_camera = R_view x_view                                R_view (0, 0, 1) = d
    R_camera = R_view R_estimated                           since R_estimated takes the head to the view
    p_frame ~ K R_view K^-1 p_view                          for any scene: the camera centre does not move

With lens distortion, rays are those of undistorted points, and each crop's homography is fitted to the distorted ones;
see :mod:`hpe_edge.ops.distorted`.

Source: Li, Zhang, Li and Lee, Accurate Head Pose Estimation Using Image Rectification and a Lightweight Convolutional
Neural Network, IEEE Transactions on Multimedia, 2023. The viewing direction and the crop in the view are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError
from hpe_edge.geometry import euler_near, rotation_from_euler
from hpe_edge.ops.distorted import LARGEST_MISFIT, fit_distorted
from hpe_edge.spec import Crop, Square
from hpe_edge.upright.turned_boxes import sides_in_turned_axes

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Views:
    """The virtual cameras of N boxes.

    Attributes:
        rotations: ``[N, 3, 3]`` R_view, from the virtual camera's frame to the camera's.
        homographies: ``[N, 3, 3]`` from the crop, whose corners are (0, 0) and (size, size), to the frame's pixels.
    """

    rotations: Float64Array
    homographies: Float64Array

    def select(self, rows: slice | NDArray[np.integer]) -> Views:
        """Return the views of some faces."""
        return Views(self.rotations[rows], self.homographies[rows])

    def points(self, points: NDArray[np.float32], size: int) -> Float64Array:
        """Map points ``[N, L, 2]`` of the crops, whose corners are (0, 0) and (1, 1), to the frame's pixels."""
        scaled = np.concatenate([points * float(size), np.ones((*points.shape[:2], 1))], axis=2)
        mapped = scaled @ np.swapaxes(self.homographies, 1, 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            on_picture: Float64Array = mapped[..., :2] / np.where(mapped[..., 2:] > 0, mapped[..., 2:], np.nan)
        return on_picture

    def turn_back(self, angles_deg: NDArray[np.float32], rotations: NDArray[np.float32]) -> None:
        """Transform estimates of the crops to the camera's frame, in place.

        The Euler triple nearer to the network's is taken, so a yaw beyond 90 degrees is kept.

        Args:
            angles_deg: ``[N, 3]`` yaw, pitch, roll.
            rotations: ``[N, 3, 3]``.
        """
        turned = self.rotations @ rotations
        angles_deg[...] = euler_near(turned, angles_deg)
        rotations[...] = turned


def view_rotation(rays: Float64Array) -> Float64Array:
    """Return the shortest rotations ``[..., 3, 3]`` that take (0, 0, 1) to rays ``[..., 3]``, z > 0, of any length.

    The axis is (0, 0, 1) x ray, so the view is not rolled. This is Rodrigues' formula with sine and cosine cancelled.
    """
    x, y, z = np.moveaxis(rays / np.linalg.norm(rays, axis=-1, keepdims=True), -1, 0)
    k = 1 / (1 + z)
    rows = [
        [1 - k * x * x, -k * x * y, x],
        [-k * x * y, 1 - k * y * y, y],
        [-x, -y, z],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


@dataclass(frozen=True)
class Facing:
    """Virtual cameras that look straight at each of N faces, and what they see.

    Attributes:
        camera: of the frame.
        rotations: ``[N, 3, 3]`` R_view.
        boxes: float32 ``[N, 4]`` in the frame, for messages.
        seen: ``[N, 4]``, the boxes in the views.
    """

    camera: Camera
    rotations: Float64Array
    boxes: NDArray[np.float32]
    seen: Float64Array

    def select(self, rows: slice | NDArray[np.integer]) -> Facing:
        """Return those of some faces."""
        return Facing(self.camera, self.rotations[rows], self.boxes[rows], self.seen[rows])

    def in_views(self, rotations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return rotations ``[N, 3, 3]`` of heads to the camera as rotations to the views."""
        return (np.swapaxes(self.rotations, -1, -2) @ rotations).astype(np.float32)

    def points(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map points ``[N, K, 2]`` of the frame into the views; NaN for those beside or behind a view."""
        rays = self.camera.rays(points.astype(np.float64)) @ self.rotations
        rays[rays[..., 2] <= 0] = np.nan
        return self.camera.ideal.project(rays).astype(np.float32)

    def views(self, crop: Crop, size: int, turns_deg: NDArray[np.float32] | None = None) -> Views:
        """Compute the crops of the faces.

        Args:
            crop: margins and square apply.
            size: side of the crop in pixels.
            turns_deg: ``[N]``, turns of the views about their axes; the boxes keep their sizes. None: no turns.

        Raises:
            InputError: a window that reaches 90 degrees from the optical axis, where a flat picture has no points; one
                that the lens distorts too strongly.
        """
        camera, rotations, seen = self.camera.ideal, self.rotations, self.seen
        if self.camera.distortion is not None and not np.isfinite(seen).all():
            i = int(np.argmin(np.isfinite(seen).all(axis=1)))
            raise InputError(
                f"box {i} {self.boxes[i].tolist()} lies where the distortion of {self.camera} shows nothing; check "
                "that the camera's numbers are in pixels of this frame, or leave out camera="
            )
        if turns_deg is not None and turns_deg.any():
            rotations, seen = _turned(camera, rotations, seen, turns_deg)
        windows = _squared(_with_margins(seen, crop), crop.square)
        corners = camera.rays(windows[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]) @ np.swapaxes(rotations, -1, -2)
        # Written so that NaN, from overflow, is an error too.
        in_front = (corners[..., 2] > 0).all(axis=-1)
        if not in_front.all():
            i = int(np.argmin(in_front))
            raise InputError(
                f"box {i} {self.boxes[i].tolist()} with its crop reaches 90 degrees or more from the axis of {camera}, "
                "where a flat picture has no points; check that the camera's numbers are in pixels of this frame, or "
                "leave out camera="
            )
        homographies = _homographies(camera, rotations, windows, size)
        if self.camera.distortion is not None:
            homographies, off = fit_distorted(self.camera.distorted, homographies, size)
            if (off > LARGEST_MISFIT).any():
                i = int(np.argmax(off))
                raise InputError(
                    f"the lens bends box {i} {self.boxes[i].tolist()} by up to {100 * off[i]:.1f} % of its crop, too "
                    f"much for one perspective view (limit {100 * LARGEST_MISFIT:.0f} %); undistort the frames first "
                    "and give the camera without distortion"
                )
        return Views(self.rotations, homographies)


def look_at(camera: Camera, boxes: NDArray[np.float32], crop: Crop, size: int) -> Views:
    """Compute the view and the crop of each box, see :func:`facing` and :meth:`Facing.views`."""
    return facing(camera, boxes).views(crop, size)


def facing(camera: Camera, boxes: NDArray[np.float32]) -> Facing:
    """Compute the view of each box.

    The view looks along the ray at equal angles to those through the middles of the box's left and right edges, and at
    equal angles to those of its top and bottom edges. For a small box that is the ray of its centre; off the axis the
    image is stretched outwards, and the centre of a wide box is not that of the face. (For a sphere that spans 22
    degrees, 25 degrees off the axis, the box centre is wrong by 1 degree, this ray by 0.01.) The four middles are
    projected into the view; their bounding box is cropped by the crop's rules. For a box centred on the optical axis
    the result is the plain crop. ``crop.clip`` is ignored: pixels outside the frame are fill.

    Args:
        camera: of the frame.
        boxes: ``[N, 4]`` x1 y1 x2 y2 in pixels of the frame.
    """
    rays = camera.rays(_edge_middles(boxes.astype(np.float64)))
    left, top, right, bottom = np.moveaxis(rays / np.linalg.norm(rays, axis=-1, keepdims=True), 1, 0)
    rotations = view_rotation(np.cross(right - left, bottom - top))
    spanned = camera.ideal.project(
        rays @ rotations
    )  # R_view^T times each ray, all less than 90 degrees from the view's axis
    seen = np.concatenate([spanned.min(axis=1), spanned.max(axis=1)], axis=1)
    return Facing(camera, rotations, boxes, seen)


def _turned(
    camera: Camera, rotations: Float64Array, seen: Float64Array, turns_deg: NDArray[np.float32]
) -> tuple[Float64Array, Float64Array]:
    """Turn the views about their axes: R_view Rz(turn), with the boxes about the same points of the scene."""
    about_z = np.zeros((len(seen), 3))
    about_z[:, 2] = turns_deg
    turns = rotation_from_euler(about_z)
    boxes = sides_in_turned_axes(seen, turns_deg)
    centers = (seen[:, :2] + seen[:, 2:]) / 2
    moved = camera.project((camera.rays(centers)[:, None] @ turns)[:, 0])
    turned = boxes + np.tile(moved - centers, (1, 2))
    return rotations @ turns, np.where(turns_deg[:, None] != 0, turned, seen)


def _with_margins(boxes: Float64Array, crop: Crop) -> Float64Array:
    left, top, right, bottom = crop.margins
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] - sides * [left, top], boxes[:, 2:] + sides * [right, bottom]], axis=1)


def _edge_middles(boxes: Float64Array) -> Float64Array:
    """Return the edge middles left, top, right, bottom, ``[N, 4, 2]``, of boxes ``[N, 4]``."""
    x1, y1, x2, y2 = boxes.T
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return np.stack([x1, y, x, y1, x2, y, x, y2], axis=1).reshape(-1, 4, 2)


def _squared(windows: Float64Array, square: Square) -> Float64Array:
    """Make windows ``[N, 4]`` square about their centres, by ``Crop.square``."""
    sides = windows[:, 2:] - windows[:, :2]
    if square == "extend":
        side = sides.max(axis=1, keepdims=True)
    elif square == "shrink":
        side = sides.min(axis=1, keepdims=True)
    else:
        return windows
    centers = (windows[:, :2] + windows[:, 2:]) / 2
    return np.concatenate([centers - side / 2, centers + side / 2], axis=1)


def _homographies(camera: Camera, rotations: Float64Array, windows: Float64Array, size: int) -> Float64Array:
    """Return K R_view K^-1 A; A scales and shifts the crop to its window in the view."""
    k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    # K^-1 A, scaling and shift in one
    a = np.zeros_like(rotations)
    a[:, 0, 0] = (windows[:, 2] - windows[:, 0]) / size / camera.fx
    a[:, 1, 1] = (windows[:, 3] - windows[:, 1]) / size / camera.fy
    a[:, 0, 2] = (windows[:, 0] - camera.cx) / camera.fx
    a[:, 1, 2] = (windows[:, 1] - camera.cy) / camera.fy
    a[:, 2, 2] = 1
    return k @ rotations @ a
