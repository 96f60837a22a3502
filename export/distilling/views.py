"""Views of a face that a training step draws: exact geometry, so each view's pose is known from the face's own.

See :mod:`export.distilling.turns` for what the turns do to R.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.distilling.patches import FACE, SIDE
from export.distilling.turns import in_plane, mirror
from hpe_edge.geometry import euler_from_rotation
from hpe_edge.spec import Crop

# Turns in the image plane. Most heads are nearly upright, but a head turned far to the side and up or down has large
# roll and pitch as well, so some turns are large.
_TURN_DEG = 14.0  # standard deviation
_WIDE_TURN_DEG = 75.0  # a share of the views is turned by anything up to this
_WIDE_SHARE = 0.1
_LARGEST_DEG = 93.0  # of any angle in a view: the grid ends at 97.5, and a belief has some width

# The box: other detectors draw others.
_SCALE = 0.10  # standard deviation of the logarithm of its size
_SHIFT = 0.07  # of its centre, in box sides
_FARTHEST = 2.0  # standard deviations at which both are cut

_TILT_DEG = 25.0  # the camera's turn away from the face, at most
_FACE_SPAN_DEG = (8.0, 35.0)  # angle that a face's box takes in the camera's view, from a long lens to a near phone

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Views:
    """B views of B faces.

    Attributes:
        homographies: float64 ``[B, 3, 3]``, from the crop, whose corners are (0, 0) and (size, size), to the patch.
        rotations: float64 ``[B, 3, 3]``, head to camera in the view.
        mirrored: bool ``[B]``.
    """

    homographies: Float64Array
    rotations: Float64Array
    mirrored: NDArray[np.bool_]


def draw_views(rng: np.random.Generator, rotations: Float64Array, crop: Crop, size: int) -> Views:
    """One view of each face.

    Args:
        rng: the source of chance.
        rotations: ``[B, 3, 3]`` of the faces as they are.
        crop: the student's; the margins of its left side hold for all.
        size: side of its input in pixels.
    """
    count = len(rotations)
    turn = rng.normal(0, _TURN_DEG, count)
    wide = rng.random(count) < _WIDE_SHARE
    turn[wide] = rng.uniform(-_WIDE_TURN_DEG, _WIDE_TURN_DEG, count)[wide]
    flipped = rng.random(count) < 0.5
    scale = np.exp(_SCALE * _cut_normal(rng, count))
    shift = _SHIFT * _cut_normal(rng, (count, 2))
    tilt = np.deg2rad(_TILT_DEG) * np.sqrt(rng.random(count))
    towards = rng.uniform(0, 2 * np.pi, count)
    span = np.deg2rad(rng.uniform(*_FACE_SPAN_DEG, count))

    faces = np.where(flipped[:, None, None], mirror(rotations), rotations)
    turned = in_plane(turn) @ faces
    # A turn that takes an angle off the grid is halved until none does; the face as it is comes last.
    for _ in range(6):
        outside = _beyond(turned)
        if not outside.any():
            break
        turn = np.where(outside, turn / 2, turn)
        turned = in_plane(turn) @ faces

    side = FACE * (1 + 2 * crop.margins[0]) * scale
    view_to_patch = _patch_from_view(turn, flipped) @ untilted(tilt, towards, span)
    window = _scaled(side / size) @ _shifted_by(-size / 2 + shift * size)
    return Views(view_to_patch @ window, turned, flipped)


def plain_views(rotations: Float64Array, crop: Crop, size: int) -> Views:
    """The faces as they are, in the student's own crop."""
    count = len(rotations)
    zero = np.zeros(count)
    upright = np.zeros(count, np.bool_)
    window = _scaled(zero + FACE * (1 + 2 * crop.margins[0]) / size) @ _shifted_by(np.full((count, 2), -size / 2))
    return Views(_patch_from_view(zero, upright) @ window, rotations, upright)


def _cut_normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Float64Array:
    return np.clip(rng.normal(0, 1, shape), -_FARTHEST, _FARTHEST)


def _beyond(rotations: Float64Array) -> NDArray[np.bool_]:
    """Whether pitch or roll are too large; yaw never is, being within 90 degrees by its definition."""
    return np.asarray((np.abs(euler_from_rotation(rotations)) > _LARGEST_DEG).any(axis=-1))


def _patch_from_view(turn_deg: Float64Array, mirrored: NDArray[np.bool_]) -> Float64Array:
    """From a view about the face's centre to the patch: the turn is taken back, then the mirror."""
    back = in_plane(-turn_deg)
    back[:, 0] *= np.where(mirrored, -1.0, 1.0)[:, None]
    back[:, :2, 2] = SIDE / 2
    return back


def untilted(tilt_rad: Float64Array, towards_rad: Float64Array, span_rad: Float64Array) -> Float64Array:
    """From the picture of a camera turned away from the face, about the face's centre there, to the untilted one.

    Coordinates are patch pixels. With the focal length f, K = diag(f, f, 1) and Q the camera's turn, this is
    K Q^T K^-1; the face's centre in the turned picture is K Q (0, 0, 1), and it is scaled so that the face keeps its
    size there as the geometric mean of both directions, for a detector's box would follow it.
    """
    focal = FACE / 2 / np.tan(span_rad / 2)
    x, y = np.cos(towards_rad), np.sin(towards_rad)
    sine, cosine = np.sin(tilt_rad), np.cos(tilt_rad)
    one = np.ones_like(x)
    # Rodrigues' formula for the axis (x, y, 0).
    back = np.stack(
        [
            np.stack([cosine + x * x * (1 - cosine), x * y * (1 - cosine), -y * sine], axis=-1),
            np.stack([x * y * (1 - cosine), cosine + y * y * (1 - cosine), x * sine], axis=-1),
            np.stack([y * sine, -x * sine, cosine], axis=-1),
        ],
        axis=-2,
    )
    camera = np.stack([focal, focal, one], axis=-1)
    plain = camera[:, :, None] * back / camera[:, None, :]
    # Q (0, 0, 1) is the last row of Q^T.
    centre = focal[:, None] * back[:, 2, :2] / back[:, 2, 2:]
    # The turned picture is stretched by 1 / cos along the tilt's direction squared, by 1 / cos across it.
    stretch = cosine**-1.5
    return np.asarray(plain @ _shifted_by(centre) @ _scaled(stretch))


def _scaled(factor: Float64Array) -> Float64Array:
    matrix = np.zeros((len(factor), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = factor
    matrix[:, 2, 2] = 1
    return matrix


def _shifted_by(shift: Float64Array) -> Float64Array:
    matrix = np.tile(np.eye(3), (len(shift), 1, 1))
    matrix[:, :2, 2] = shift
    return matrix
