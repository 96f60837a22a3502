"""The views that a training step sees.

A step's batch depends on the seed and the step's number alone, so a run that was stopped goes on with the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from export.distilling import grid
from export.distilling.patches import SIDE, Image, Patches, warp
from export.distilling.photometric import vary
from export.distilling.targets import Targets
from export.distilling.views import Views, draw_views, plain_views
from hpe_edge.geometry import difference_deg, euler_near, geodesic_deg
from hpe_edge.spec import Crop, Input

BATCH = 64
SEED = 20231
_HALF_ON = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # cv2 counts from the centre of the first pixel
_HALF_BACK = np.linalg.inv(_HALF_ON)
# Faces to learn from come from few places, and those with rare poses from fewer: a network must not take a wall for a
# pose. Some views get another picture's surroundings.
_BACKGROUND_SHARE = 0.8
_FACE_REACH = (1.0, 1.3)  # of the ellipse that stays, in landmark boxes: tight, or with forehead and hair
_FEATHER = 0.15  # of its radius
_BAND_DEG = 10.0  # faces turned from the camera by alike angles share a band,
_EVENNESS = 0.8  # and a face is drawn as its band's size to the power of minus this; 1 draws all bands alike


@dataclass(frozen=True)
class Batch:
    """B views.

    Attributes:
        crops: uint8 ``[B, 3, S, S]`` in the student's colour order.
        beliefs: float32 ``[B, 3, COUNT]``.
        angles: float32 ``[B, 3]``, yaw, pitch, roll in degrees.
    """

    crops: NDArray[np.uint8]
    beliefs: NDArray[np.float32]
    angles: NDArray[np.float32]


@dataclass(frozen=True)
class Background:
    """What is put around a face: a picture as large as a patch, and how many landmark boxes of the face stay."""

    image: Image
    reach: float


class Batches:
    """Draws faces, rare poses more often, and views of them."""

    def __init__(self, patches: Patches, targets: Targets, faces: NDArray[np.intp], crop: Crop, input: Input) -> None:
        """
        Args:
            patches, targets: of all faces.
            faces: the numbers of those to draw from.
            crop, input: the student's.
        """
        self._patches, self._targets, self._faces = patches, targets, faces
        self._crop, self._input = crop, input
        turned = geodesic_deg(targets.rotations[faces], np.eye(3))
        band = (turned / _BAND_DEG).astype(int)
        weight = np.bincount(band)[band].astype(np.float64) ** -_EVENNESS
        self._share = weight / weight.sum()

    def __call__(self, step: int) -> Batch:
        """The batch of a step, with everything drawn at random."""
        rng = np.random.default_rng([SEED, step])
        faces = rng.choice(self._faces, BATCH, p=self._share)
        views = draw_views(rng, self._targets.rotations[faces], self._crop, self._input.size)
        batch = self._batch(faces, views, self._backgrounds(rng))
        vary(batch.crops, rng)
        return batch

    def plain(self, faces: NDArray[np.intp]) -> Batch:
        """Some faces as they are."""
        rotations = self._targets.rotations[faces]
        return self._batch(faces, plain_views(rotations, self._crop, self._input.size), [None] * len(faces))

    def _backgrounds(self, rng: np.random.Generator) -> list[Background | None]:
        """For some of the views, what is put around the face: a piece of somebody else's picture."""
        others = self._patches.sources[rng.choice(self._faces, BATCH)]
        shifts = rng.integers(SIDE // 4, 3 * SIDE // 4, (BATCH, 2)).tolist()
        chosen = (rng.random(BATCH) < _BACKGROUND_SHARE).tolist()
        reach = rng.uniform(*_FACE_REACH, BATCH).tolist()
        return [
            Background(np.roll(self._patches.pictures[other], shift, axis=(0, 1)), reach) if taken else None
            for other, shift, reach, taken in zip(others, shifts, reach, chosen, strict=True)
        ]

    def _batch(self, faces: NDArray[np.intp], views: Views, backgrounds: Sequence[Background | None]) -> Batch:
        cut = [
            self._cut(face, homography, background)
            for face, homography, background in zip(faces, views.homographies, backgrounds, strict=True)
        ]
        crops = np.stack(cut)[..., :: -1 if self._input.color == "RGB" else 1].transpose(0, 3, 1, 2).copy()
        targets = self._targets.of(faces)
        beliefs = np.where(views.mirrored[:, None, None], grid.mirrored(targets.beliefs), targets.beliefs)
        before = np.where(views.mirrored[:, None], targets.angles * [-1, 1, -1], targets.angles)
        angles = euler_near(views.rotations, before)
        beliefs = grid.shifted(beliefs, difference_deg(angles, before))
        return Batch(crops, beliefs.astype(np.float32), angles.astype(np.float32))

    def _cut(self, face: int, homography: NDArray[np.float64], background: Background | None) -> Image:
        """The crop of a face, by OpenCV: a third as long as by :mod:`hpe_edge.ops`, its pixels to a level or two.

        The edge is repeated outside the patch, so that black corners do not tell how far it was turned.
        """
        patches, matrix = self._patches, _HALF_BACK @ homography @ _HALF_ON
        if background is None:
            return warp(patches.pictures[patches.sources[face]], patches.warps[face] @ matrix, self._input.size)
        patch = patches.image(face)
        keep = around_face(patches.boxes[face], background.reach)[..., None]
        mixed = cv2.convertScaleAbs(background.image + (patch.astype(np.float32) - background.image) * keep)
        return warp(np.asarray(mixed, np.uint8), matrix, self._input.size)


def around_face(box: NDArray[np.float32], reach: float) -> NDArray[np.float32]:
    """1 in an ellipse ``reach`` times a landmark box ``[4]``, falling to 0 around it, ``[SIDE, SIDE]``."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * reach
    at = np.arange(SIDE, dtype=np.float32) + 0.5
    across, down = ((at - middle[axis]) / half[axis] for axis in (0, 1))
    radius = np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)
    return np.asarray(np.clip((1 - radius) / _FEATHER + 0.5, 0, 1), np.float32)
