"""Augmentation: warps of the face, and changes that cameras make to an image.

Squeezed, sheared, rotated and tilted faces have no known label, but the teachers' predictions serve as one. This gives
rare poses as many source images as common ones: with few images of turned faces, all from one laboratory, a student
learned that laboratory's background.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from export.distillation.arrays import FACE, Float64Array, Image

_SHARE = 0.75  # of the faces are warped; the others are only rotated
_SQUEEZE = (0.55, 1.15)  # of the width, in heights
_SHEAR = 0.15  # standard deviation, sideways and upwards alike
_TILT_DEG = (0.0, 45.0)
_SPAN_DEG = (20.0, 50.0)  # angle that the face takes in the camera's view
# Most heads are nearly upright, but large yaw and pitch together come with large roll, so some rotations are large.
_TURN_DEG = 16.0  # standard deviation
_WIDE_TURN_DEG = 75.0  # a share of the faces is turned by anything up to this
_WIDE_SHARE = 0.08

# The first four are EHPNet's; colour changes are added because training images may be grey.
_LOW_SHARE, _LOWEST = 0.25, 0.35  # share that is sampled down and up again, and the least scale
_BLUR_SHARE, _BLUR = 0.2, (0.3, 1.2)  # share that is blurred, and sigma in pixels
_CONTRAST, _BRIGHTNESS = 0.2, 20.0  # standard deviations, of the contrast's logarithm and in levels
_GREY_SHARE, _TINT = 0.5, 0.08  # share that loses its colours, and the standard deviation of a channel's gain

_MIDDLE = 110.0  # the level that contrast does not change; near the mean of photos


def draw_warps(rng: np.random.Generator, half: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Draw homographies ``[N, 3, 3]`` from warped image to patch, about the centres of both.

    Args:
        rng: the random generator.
        half: ``[N, 2]``, half the sides of the faces' boxes in their patches.

    Returns:
        The homographies, and half the sides ``[N, 2]`` of the boxes in the warped images, centred and as large as
        those of patches.
    """
    count = len(half)
    tilt = np.deg2rad(rng.uniform(*_TILT_DEG, count))
    tilted = untilted(tilt, rng.uniform(0, 2 * np.pi, count), np.deg2rad(rng.uniform(*_SPAN_DEG, count)))
    affine = np.tile(np.eye(3), (count, 1, 1))
    affine[:, 0, 0] = 1 / rng.uniform(*_SQUEEZE, count)
    affine[:, 0, 1], affine[:, 1, 0] = rng.normal(0, _SHEAR, (2, count))
    warps = np.where((rng.random(count) < _SHARE)[:, None, None], tilted @ affine, np.eye(3))
    turn = rng.normal(0, _TURN_DEG, count)
    wide = rng.random(count) < _WIDE_SHARE
    turn[wide] = rng.uniform(-_WIDE_TURN_DEG, _WIDE_TURN_DEG, count)[wide]
    return _fitted(warps @ in_plane(-turn), half)


def untilted(tilt_rad: Float64Array, towards_rad: Float64Array, span_rad: Float64Array) -> Float64Array:
    """Homographies from the image of a camera turned away from the face, about the face's centre, to the untilted one.

    Coordinates are patch pixels. With the focal length f, K = diag(f, f, 1) and Q the camera's turn, this is
    K Q^T K^-1; the face's centre in the turned picture is K Q (0, 0, 1).
    """
    focal = FACE / 2 / np.tan(span_rad / 2)
    x, y = np.cos(towards_rad), np.sin(towards_rad)
    sine, cosine = np.sin(tilt_rad), np.cos(tilt_rad)
    # Rodrigues' formula for the axis (x, y, 0).
    back = np.stack(
        [
            np.stack([cosine + x * x * (1 - cosine), x * y * (1 - cosine), -y * sine], axis=-1),
            np.stack([x * y * (1 - cosine), cosine + y * y * (1 - cosine), x * sine], axis=-1),
            np.stack([y * sine, -x * sine, cosine], axis=-1),
        ],
        axis=-2,
    )
    camera = np.stack([focal, focal, np.ones_like(x)], axis=-1)
    plain = camera[:, :, None] * back / camera[:, None, :]
    shift = np.tile(np.eye(3), (len(x), 1, 1))
    # Q (0, 0, 1) is the last row of Q^T.
    shift[:, :2, 2] = focal[:, None] * back[:, 2, :2] / back[:, 2, 2:]
    return np.asarray(plain @ shift)


def _fitted(warps: Float64Array, half: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Centre and scale the warps so that the warped box fits a patch; also return half the sides of that box.

    Args:
        warps: ``[N, 3, 3]``.
        half: ``[N, 2]``, half the sides of the box before.
    """
    # A face is round: its box bounds the warped ellipse.
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    ellipse = np.stack([np.cos(angle), np.sin(angle)])[None] * half[:, :, None]
    points = np.linalg.inv(warps) @ np.concatenate([ellipse, np.ones((len(half), 1, 32))], axis=1)
    places = points[:, :2] / points[:, 2:]
    low, high = places.min(axis=2), places.max(axis=2)
    scale = (high - low).max(axis=1) / FACE
    fit = np.tile(np.eye(3), (len(half), 1, 1))
    fit[:, 0, 0] = fit[:, 1, 1] = scale
    fit[:, :2, 2] = (low + high) / 2
    return warps @ fit, (high - low) / 2 / scale[:, None]


def in_plane(angles_deg: Float64Array) -> Float64Array:
    """Rz ``[..., 3, 3]`` of angles ``[...]``, clockwise in the picture."""
    sine, cosine = np.sin(np.deg2rad(angles_deg)), np.cos(np.deg2rad(angles_deg))
    zero, one = np.zeros_like(sine), np.ones_like(sine)
    rows = [[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def varied(image: Image, rng: np.random.Generator) -> Image:
    """Change resolution, blur, contrast, brightness and colours of an image ``[H, W, 3]``, BGR."""
    height, width = image.shape[:2]
    low, blurred, grey = rng.random(3) < (_LOW_SHARE, _BLUR_SHARE, _GREY_SHARE)
    part, sigma = rng.uniform(_LOWEST, 1.0), rng.uniform(*_BLUR)
    levels = _levels(rng)
    if grey:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    if low:
        shrunk = cv2.resize(image, (round(width * part), round(height * part)), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if blurred:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    return np.asarray(cv2.LUT(image, levels), np.uint8)


def _levels(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lookup table of the 256 levels, ``[1, 256, 3]``."""
    contrast, brightness = np.exp(_CONTRAST * rng.normal()), _BRIGHTNESS * rng.normal()
    tint = np.exp(_TINT * rng.normal(0, 1, 3))
    levels = ((np.arange(256.0)[:, None] - _MIDDLE) * contrast + _MIDDLE + brightness) * tint
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)[None]
