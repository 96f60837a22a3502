"""Faces bent out of shape: more of them, and more poses, than the pictures have.

A picture that is squeezed, sheared or seen from far to the side shows a face that no camera may have seen, and no
formula says which pose it has. But the teachers answer, and the student learns what they say; so faces with rare poses
come from as many pictures as faces with common ones. Where faces that look aside were few and from one laboratory, a
student learned the laboratory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.distilling.patches import FACE, SIDE, Patches
from export.distilling.views import untilted

COPIES = 2  # of each face
_SEED = 4711
_SQUEEZE = (0.6, 1.15)  # of the width, in heights
_SHEAR = 0.15  # standard deviation, sideways and upwards alike
_TILT_DEG = (0.0, 40.0)
_SPAN_DEG = (20.0, 50.0)  # angle that the face takes in the camera's view

_MIDDLE = np.array(
    [[1, 0, SIDE / 2 - 0.5], [0, 1, SIDE / 2 - 0.5], [0, 0, 1]]
)  # from the centre to OpenCV's coordinates
_CENTRED = np.linalg.inv(_MIDDLE)

Float64Array = NDArray[np.float64]


def with_bent(patches: Patches) -> Patches:
    """The faces, then COPIES bent ones of each."""
    rng = np.random.default_rng(_SEED)
    faces = np.tile(np.arange(len(patches)), COPIES)
    bends = _bends(rng, len(faces))
    half = (patches.boxes[faces, 2:] - patches.boxes[faces, :2]).astype(np.float64) / 2
    bends, half = _fitted(bends, half)
    warps = patches.warps[faces] @ _MIDDLE @ bends @ _CENTRED
    boxes = np.concatenate([SIDE / 2 - half, SIDE / 2 + half], axis=1).astype(np.float32)
    return Patches(
        patches.pictures,
        np.concatenate([patches.boxes, boxes]),
        patches.notes,
        np.concatenate([patches.sources, patches.sources[faces]]),
        np.concatenate([patches.warps, warps]),
    )


def _bends(rng: np.random.Generator, count: int) -> Float64Array:
    """Homographies ``[count, 3, 3]`` from a bent patch to the patch, about their centres."""
    tilt = np.deg2rad(rng.uniform(*_TILT_DEG, count))
    tilted = untilted(tilt, rng.uniform(0, 2 * np.pi, count), np.deg2rad(rng.uniform(*_SPAN_DEG, count)))
    affine = np.tile(np.eye(3), (count, 1, 1))
    affine[:, 0, 0] = 1 / rng.uniform(*_SQUEEZE, count)
    affine[:, 0, 1], affine[:, 1, 0] = rng.normal(0, _SHEAR, (2, count))
    return np.asarray(tilted @ affine)


def _fitted(bends: Float64Array, half: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The bends with the bent box in the middle and as large as a patch has it, and half the sides of that box.

    Args:
        bends: ``[N, 3, 3]``.
        half: ``[N, 2]``, half the sides of the box before.
    """
    # A face is round: its box is where the ellipse in it ends.
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    ellipse = np.stack([np.cos(angle), np.sin(angle)])[None] * half[:, :, None]
    points = np.linalg.inv(bends) @ np.concatenate([ellipse, np.ones((len(half), 1, 32))], axis=1)
    places = points[:, :2] / points[:, 2:]
    low, high = places.min(axis=2), places.max(axis=2)
    scale = (high - low).max(axis=1) / FACE
    fit = np.tile(np.eye(3), (len(half), 1, 1))
    fit[:, 0, 0] = fit[:, 1, 1] = scale
    fit[:, :2, 2] = (low + high) / 2
    return bends @ fit, (high - low) / 2 / scale[:, None]
