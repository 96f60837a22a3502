"""Training scenes: augmented faces that the teachers label and the student learns from.

A scene is a warped face before its own or other surroundings, with a camera's and a detector's variations. Student and
teachers see the same image and box. Labels by exact geometry (rotate the image, rotate the pose) were tried first and
are worse, because networks and labels are not that consistent; only mirroring is left of it.

Scenes depend on the patches, the seed and their number alone, so only the predictions are cached.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from export.distillation.arrays import SEED, SIDE, Image, Patches, warp
from export.distillation.augmentation import draw_warps, varied
from hpe_edge.geometry import geodesic_deg

# Some scenes get another picture's surroundings: rare poses come from few places, and a network must not learn a wall.
_BACKGROUND_SHARE = 0.5
_FACE_REACH = (1.0, 1.3)  # of the kept ellipse, in landmark boxes: tight, or with forehead and hair
_FEATHER = 0.15  # of its radius

_RIM = 32  # pixels of repeated edge, for teachers with wide crops, which are clipped at the border
_SCALE = 0.10  # standard deviation of the logarithm of the box's size
_SHIFT = 0.06  # of its centre, in box sides
_FARTHEST = 2.0  # standard deviations at which both are cut

_DIGESTED = 64  # scenes whose pixels count for the digest

_BAND_DEG = 10.0  # width of a band of angles between face and camera
_EVENNESS = 0.8  # a face's weight is its band's size to the power of minus this; 1 draws all bands equally often

_MIDDLE = np.array(
    [[1, 0, SIDE / 2 - 0.5], [0, 1, SIDE / 2 - 0.5], [0, 0, 1]]
)  # from the centre to OpenCV's coordinates
_CENTRED = np.linalg.inv(_MIDDLE)


class Scenes:
    """V scenes, each ``SIDE + 2 * _RIM`` pixels wide and high.

    Attributes:
        faces: intp ``[V]``, the numbers of the patches that they show.
        boxes: float32 ``[V, 4]`` x1 y1 x2 y2, near the faces' landmark boxes.
        digest: hexadecimal; changes with any pixel.
    """

    def __init__(self, patches: Patches, faces: NDArray[np.intp], rotations: NDArray[np.float64], count: int) -> None:
        """
        Args:
            patches: the pictures.
            faces: the numbers of the patches to use, as faces and as surroundings.
            rotations: approximate, ``[len(patches), 3, 3]``; rare poses are drawn more often.
            count: number of scenes.
        """
        rng = np.random.default_rng(SEED)
        self._patches = patches
        self.faces = rng.choice(faces, count, p=_shares(rotations[faces]))
        half = (patches.boxes[self.faces, 2:] - patches.boxes[self.faces, :2]).astype(np.float64) / 2
        warps, half = draw_warps(rng, half)
        self._warps = _MIDDLE @ warps @ _CENTRED
        self._ellipses = np.concatenate([SIDE / 2 - half, SIDE / 2 + half], axis=1)
        self.boxes = (_RIM + _redrawn(rng, half)).astype(np.float32)
        self._surrounded = rng.random(count) < _BACKGROUND_SHARE
        self._others = rng.choice(faces, count)
        self._shifts = rng.integers(SIDE // 4, 3 * SIDE // 4, (count, 2))
        self._reaches = rng.uniform(*_FACE_REACH, count)
        content = hashlib.sha256(patches.digest.encode())
        for array in (self.faces, self.boxes, self._warps, self._surrounded, self._others, self._shifts, self._reaches):
            content.update(np.ascontiguousarray(array).data)
        # Cached predictions outlive this code: the pixels of a few scenes detect changes of it.
        for scene in range(min(count, _DIGESTED)):
            content.update(self.image(scene).data)
        self.digest = content.hexdigest()

    def __len__(self) -> int:
        return len(self.faces)

    def image(self, scene: int) -> Image:
        """Of scene number ``scene``, BGR."""
        pictures = self._patches.pictures
        image = warp(pictures[self.faces[scene]], self._warps[scene], SIDE)
        if self._surrounded[scene]:
            around = np.roll(pictures[self._others[scene]], self._shifts[scene].tolist(), axis=(0, 1))
            keep = around_face(self._ellipses[scene], float(self._reaches[scene]))[..., None]
            image = np.asarray(cv2.convertScaleAbs(around + (image.astype(np.float32) - around) * keep), np.uint8)
        image = varied(image, np.random.default_rng([SEED, scene]))
        return np.asarray(cv2.copyMakeBorder(image, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_REPLICATE), np.uint8)


def _shares(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each face."""
    band = (geodesic_deg(rotations, np.eye(3)) / _BAND_DEG).astype(int)
    weight = np.bincount(band)[band].astype(np.float64) ** -_EVENNESS
    return np.asarray(weight / weight.sum())


def _redrawn(rng: np.random.Generator, half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes ``[V, 4]`` of varied scale and shift about the centre; ``half`` has half their sides ``[V, 2]``."""
    count = len(half)
    scale, shift = (np.clip(rng.normal(size=(count, n)), -_FARTHEST, _FARTHEST) for n in (1, 2))
    half = half * np.exp(_SCALE * scale)
    middle = SIDE / 2 + _SHIFT * shift * 2 * half.max(axis=1, keepdims=True)
    return np.concatenate([middle - half, middle + half], axis=1)


def around_face(box: NDArray[np.float64], reach: float) -> NDArray[np.float32]:
    """1 in an ellipse ``reach`` times a landmark box ``[4]``, falling to 0 around it, ``[SIDE, SIDE]``."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * reach
    at = np.arange(SIDE) + 0.5
    across, down = ((at - middle[axis]) / half[axis] for axis in (0, 1))
    radius = np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)
    return np.asarray(np.clip((1 - radius) / _FEATHER + 0.5, 0, 1), np.float32)
