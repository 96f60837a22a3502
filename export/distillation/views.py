"""Batches of views: faces of the pool as a student sees them, at random turns, boxes and disturbances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.distillation.disturbances import disturbed
from export.teaching.arrays import BATCH, SEED, SIDE, Batch, Image, Labels, turned_square, warp
from hpe_edge.geometry import geodesic_deg, rotation_from_zxy, zxy_from_rotation
from hpe_edge.opencv.lazy import cv2
from hpe_edge.spec import Crop, Input

# Most views stand nearly upright, as the crop turns them; the others are for crops that are not turned, or wrongly.
_UPRIGHT_DEG, _WIDE_DEG = 8.0, 60.0  # standard deviation; largest
_WIDE_SHARE, _ANY_SHARE = 0.16, 0.05  # up to that, and to half a turn
_SCALE, _SHIFT = 0.09, 0.045  # standard deviations of the box: of the size's logarithm, and of the place in box sides
_FARTHEST = 2.5  # standard deviations at which both are cut
_WRONG_SHARE, _WRONG = 0.06, 3.0  # of the views with boxes that are further off, by this factor
_BACKGROUND_SHARE = 0.3  # of the views that get another face's surroundings
_CLEAN_SHARE = 0.35  # of the views that get no disturbance: most cameras' pictures are better than the worst ones
_REACH = (1.15, 1.7)  # radii of the kept ellipse, in landmark boxes: tight, or with forehead and hair
_FEATHER = 0.15  # of its radius
_BAND_DEG = 10.0  # width of a band of angles between face and camera
_EVENNESS = 0.6  # a face's weight is its band's size to the power of minus this; 1 draws all bands equally often


@dataclass(frozen=True)
class Pool:
    """N faces to draw views from.

    Attributes:
        pictures: uint8 ``[N, SIDE, SIDE, 3]``.
        boxes: float32 ``[N, B, 4]``, B boxes for each; a view takes one of them.
        labels: their poses.
        weights: float64 ``[N]``, shares beside those by pose.
    """

    pictures: Image
    boxes: NDArray[np.float32]
    labels: Labels
    weights: NDArray[np.float64]


class Views:
    """Random batches; a step's batch is always the same."""

    def __init__(self, pool: Pool, crop: Crop, input: Input) -> None:
        """
        Args:
            pool: the faces.
            crop, input: of the student; the crop's square and margins apply.
        """
        self._pool, self._input = pool, input
        self._grown = 1 + crop.margins[0] + crop.margins[2]
        self._angles = zxy_from_rotation(pool.labels.rotations)
        band = (geodesic_deg(rotation_from_zxy(self._angles * (1, 1, 0)), np.eye(3)) / _BAND_DEG).astype(int)
        weight = np.bincount(band)[band].astype(np.float64) ** -_EVENNESS * pool.weights
        self._shares = np.cumsum(weight / weight.sum())

    def __call__(self, step: int) -> Batch:
        """The batch of a step, from 0 on."""
        rng = np.random.default_rng([SEED, step])
        faces = np.minimum(np.searchsorted(self._shares, rng.random(BATCH)), len(self._shares) - 1)
        turns = self._turns(rng) - self._angles[faces, 2]
        mirrored = rng.random(BATCH) < 0.5
        crops = np.stack([self._view(*each, rng) for each in zip(faces, turns, mirrored, strict=True)])
        angles = self._angles[faces] * np.where(mirrored[:, None], (-1, 1, -1), 1)
        angles[:, 2] += np.where(mirrored, -turns, turns)
        return Batch(
            np.ascontiguousarray(crops.transpose(0, 3, 1, 2)),
            rotation_from_zxy(angles).astype(np.float32),
            self._pool.labels.widths[faces].astype(np.float32),
        )

    @staticmethod
    def _turns(rng: np.random.Generator) -> NDArray[np.float64]:
        """Rolls that the views shall have."""
        draws = rng.random(BATCH)
        roll = rng.normal(0, _UPRIGHT_DEG, BATCH)
        roll = np.where(draws < _WIDE_SHARE, rng.uniform(-_WIDE_DEG, _WIDE_DEG, BATCH), roll)
        return np.where(draws > 1 - _ANY_SHARE, rng.uniform(-180, 180, BATCH), roll)

    def _view(self, face: int, turn: float, mirror: bool, rng: np.random.Generator) -> Image:
        """One crop ``[S, S, 3]`` in the student's colour order."""
        picture = self._pool.pictures[face]
        box = self._pool.boxes[face, rng.integers(self._pool.boxes.shape[1])].astype(np.float64)
        if rng.random() < _BACKGROUND_SHARE:
            picture = self._elsewhere(picture, box, rng)
        side = (box[2:] - box[:2]).max()
        off = _WRONG if rng.random() < _WRONG_SHARE else 1.0
        shift = off * _SHIFT * np.clip(rng.normal(size=2), -_FARTHEST, _FARTHEST) * side
        side *= self._grown * np.exp(off * _SCALE * np.clip(rng.normal(), -_FARTHEST, _FARTHEST))
        middle = (box[:2] + box[2:]) / 2 + shift
        # A face turned clockwise and then mirrored is turned counter-clockwise.
        view = turned_square(middle, side, -turn if mirror else turn, self._input.size, mirror=mirror)
        image = warp(picture, view, self._input.size)
        if rng.random() >= _CLEAN_SHARE:
            image = disturbed(image, rng)
        return image if self._input.color == "BGR" else image[..., ::-1]

    def _elsewhere(self, picture: Image, box: NDArray[np.float64], rng: np.random.Generator) -> Image:
        """The face before another picture of the pool, shifted so that its face is elsewhere."""
        other = self._pool.pictures[rng.integers(len(self._pool.pictures))]
        around = np.roll(other, rng.integers(SIDE // 4, 3 * SIDE // 4, 2).tolist(), axis=(0, 1))
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * rng.uniform(*_REACH)
        at = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
        across, down = ((at - middle[axis]) / half[axis] for axis in (0, 1))
        keep = np.clip((1 - np.hypot(across[None, :], down[:, None])) / _FEATHER + 0.5, 0, 1).astype(np.float32)
        return np.asarray(cv2.blendLinear(picture, np.ascontiguousarray(around), keep, 1 - keep), np.uint8)


def upright_views(pool: Pool, crop: Crop, input: Input, faces: NDArray[np.intp]) -> Batch:
    """Undisturbed crops of faces, upright and with their first boxes."""
    angles = zxy_from_rotation(pool.labels.rotations[faces])
    grown = 1 + crop.margins[0] + crop.margins[2]
    crops = []
    for face, turn in zip(faces, -angles[:, 2], strict=True):
        box = pool.boxes[face, 0].astype(np.float64)
        side = (box[2:] - box[:2]).max() * grown
        image = warp(pool.pictures[face], turned_square((box[:2] + box[2:]) / 2, side, turn, input.size), input.size)
        crops.append(image if input.color == "BGR" else image[..., ::-1])
    return Batch(
        np.ascontiguousarray(np.stack(crops).transpose(0, 3, 1, 2)),
        rotation_from_zxy(angles * (1, 1, 0)).astype(np.float32),
        pool.labels.widths[faces].astype(np.float32),
    )
