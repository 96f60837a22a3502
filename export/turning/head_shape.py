"""A mean head: 68 landmarks in three dimensions, from their places in many pictures and the faces' poses.

No face model is needed: with the rotations known, the mean shape is a linear least-squares problem.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from export.teaching.arrays import FACE, MIDDLE, Float64Array, Patches, turned_square, warp
from export.zoo.threeddfa import LANDMARKS, SIZE, ThreeDdfa

_CROP = 1.25  # of the landmark box, as in the family's spec
_BATCH = 64
_ROUNDS = 12
_LEAST_SCALE = 1.0  # pixels; landmarks that are upside down would fit with a negative one
_BULGE = 1.2  # the first guess of the depth: a cylinder's, in face sizes

# The other side's landmark for each.
MIRRORED = np.array(
    [
        *range(16, -1, -1),  # the jaw
        *range(26, 16, -1),  # the brows
        *range(27, 31),  # the bridge of the nose
        *range(35, 30, -1),  # its base
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # the eyes
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # the lips' outline
        *(64, 63, 62, 61, 60, 67, 66, 65),  # the lips' inner line
    ]
)


def landmarks_of(net: ThreeDdfa, patches: Patches) -> NDArray[np.float32]:
    """The 68 landmarks ``[N, 68, 2]`` in pixels of each patch."""
    view = turned_square(np.array([MIDDLE, MIDDLE]), _CROP * FACE, 0.0, SIZE)
    points = np.empty((len(patches), LANDMARKS, 2), np.float32)
    for start in range(0, len(patches), _BATCH):
        part = slice(start, start + _BATCH)
        crops = np.stack([warp(picture, view, SIZE) for picture in patches.pictures[part]])
        image = torch.from_numpy((crops.astype(np.float32) - 127.5) / 128).permute(0, 3, 1, 2)
        with torch.inference_mode():
            points[part] = net.landmarks(image).numpy()
    return np.asarray(points @ view[:, :2].T.astype(np.float32) + view[:, 2].astype(np.float32))


def mean_head(points: NDArray[np.float32], rotations: Float64Array) -> Float64Array:
    """The mean shape ``[68, 3]`` in the head's frame, about 1 high and symmetric, its centroid at 0.

    Args:
        points: ``[N, 68, 2]`` in pixels.
        rotations: ``[N, 3, 3]`` of the same faces.
    """
    seen = points.astype(np.float64)
    flat = np.median(seen - seen.mean(axis=1, keepdims=True), axis=0) / FACE
    shape = np.concatenate([flat, _BULGE * flat[:, :1] ** 2], axis=1)
    for _ in range(_ROUNDS):
        scale, shift, error = placed(shape, seen, rotations)
        weight = 1 / (1 + (error / np.median(error)) ** 2)
        rows = rotations[:, :2] * scale[:, None, None]
        normal = np.einsum("n,nij,nik->jk", weight, rows, rows)
        right = np.einsum("n,nij,nki->jk", weight, rows, seen - shift[:, None])
        shape = np.linalg.solve(normal, right).T
        shape -= shape.mean(axis=0)
        shape = (shape + shape[MIRRORED] * (-1, 1, 1)) / 2
    return shape


def placed(
    shape: Float64Array, points: Float64Array, rotations: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Scale ``[N]``, shift ``[N, 2]`` in pixels and mean error ``[N]`` in shape units of the shape at its places."""
    flat = np.einsum("nij,kj->nki", rotations[:, :2], shape)
    about, seen = flat - flat.mean(axis=1, keepdims=True), points - points.mean(axis=1, keepdims=True)
    scale = np.maximum((about * seen).sum(axis=(1, 2)) / (about**2).sum(axis=(1, 2)), _LEAST_SCALE)
    shift = points.mean(axis=1) - scale[:, None] * flat.mean(axis=1)
    error = np.abs(scale[:, None, None] * flat + shift[:, None] - points).mean(axis=(1, 2)) / scale
    return scale, shift, error
