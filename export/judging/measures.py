"""Measures of one model on held-out faces, each a number of degrees for every face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from export.distillation.disturbances import DISTURBANCES
from export.distillation.views import Pool
from export.teaching.arrays import FACE, MIDDLE, RIM, SEED, SIDE, Float64Array, Image, turned_square, warp
from export.teaching.arrays import MIRROR as FLIP
from export.teaching.teachers import Teacher
from hpe_edge.geometry import difference_deg, euler_full_yaw, geodesic_deg, rotation_from_euler
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads

AGREEMENT, ANGLES, MIRROR = "from the teachers", "their angles", "mirrored"
TURNS_DEG = (15.0, 40.0)
BOXES = {  # scale, shift to the right and down in box sides
    "other boxes": ((1.1, 0.0, 0.0), (0.9, 0.0, 0.0), (1.0, 0.06, 0.0), (1.0, 0.0, -0.06)),
    "boxes far off": ((1.4, 0.0, 0.0), (0.7, 0.0, 0.0), (1.0, 0.25, 0.0), (1.0, 0.0, -0.25), (1.0, 0.0, 0.25)),
}
_CHUNK = 8  # as many crops as a teacher takes at least


@dataclass(frozen=True)
class Measured:
    """One model's figures.

    Attributes:
        rotations: float64 ``[N, 3, 3]`` of the plain faces.
        distances: name -> degrees ``[N]``: from the consensus (rotation, and mean of the three angles), and from
            its own plain estimate under each change.
    """

    rotations: Float64Array
    distances: dict[str, Float64Array]


def measure(model: Teacher, faces: Pool) -> Measured:
    """Run a model on upright faces, and on the same faces changed."""
    see = _Seer(model)
    pictures, boxes = list(faces.pictures), faces.boxes[:, 0].astype(np.float64)
    plain = see(pictures, boxes)
    distances = {AGREEMENT: _apart(plain, faces.labels.rotations), ANGLES: _angles_apart(plain, faces.labels.rotations)}
    mirrored = see([np.ascontiguousarray(each[:, ::-1]) for each in pictures], boxes)
    distances[MIRROR] = _apart(FLIP @ mirrored @ FLIP, plain)
    for name, moves in BOXES.items():
        distances[name] = np.mean([_apart(see(pictures, _moved(boxes, *each)), plain) for each in moves], axis=0)
    for turn in TURNS_DEG:
        distances[f"turned by {turn:g} degrees"] = np.mean(
            [_turned_apart(see, pictures, boxes, plain, each) for each in (-turn, turn)], axis=0
        )
    for name, change in DISTURBANCES.items():
        changed = [_face_changed(each, change, i) for i, each in enumerate(pictures)]
        distances[name] = _apart(see(changed, boxes), plain)
    return Measured(plain, distances)


class _Seer:
    """A model on patches."""

    def __init__(self, model: Teacher) -> None:
        self._run = model.open()
        self._crop, self._decode = CropNormalize(model.spec.crop, model.spec.input), DecodeHeads(model.spec)

    def __call__(self, pictures: list[Image], boxes: Float64Array) -> Float64Array:
        rotations = np.empty((len(pictures), 3, 3))
        for start in range(0, len(pictures), _CHUNK):
            part = slice(start, start + _CHUNK)
            crops = [
                self._crop(
                    np.asarray(cv2.copyMakeBorder(each, *(RIM,) * 4, cv2.BORDER_REPLICATE), np.uint8),
                    (box + RIM).astype(np.float32)[None],
                )
                for each, box in zip(pictures[part], boxes[part], strict=True)
            ]
            rotations[part] = self._decode(self._run(np.concatenate(crops))).rotation
        return rotations


def _turned_apart(
    see: _Seer, pictures: list[Image], boxes: Float64Array, plain: Float64Array, turn_deg: float
) -> Float64Array:
    view = turned_square(np.array([MIDDLE, MIDDLE]), SIDE, turn_deg, SIDE)
    seen = see([warp(each, view, SIDE) for each in pictures], boxes)
    return _apart(seen, np.asarray(rotation_from_euler(np.array([0.0, 0.0, turn_deg])), np.float64) @ plain)


def _apart(one: Float64Array, two: Float64Array) -> Float64Array:
    return np.asarray(geodesic_deg(one, two), np.float64)


def _angles_apart(one: Float64Array, two: Float64Array) -> Float64Array:
    """Mean absolute difference of the labels' three angles; near 90 degrees of yaw it is larger than the rotation."""
    return np.asarray(np.abs(difference_deg(euler_full_yaw(one), euler_full_yaw(two))).mean(axis=1), np.float64)


def _moved(boxes: Float64Array, scale: float, right: float, down: float) -> Float64Array:
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = middle + 2 * half.max(axis=1, keepdims=True) * (right, down)
    return np.concatenate([middle - scale * half, middle + scale * half], axis=1)


def _face_changed(picture: Image, change: Callable[[Image, np.random.Generator], Image], number: int) -> Image:
    """The patch whose middle, 1.25 times the box, is disturbed: shares of the side are those of a student's crop."""
    changed = np.array(picture)
    reach = round(FACE * 1.25 / 2)
    part = slice(SIDE // 2 - reach, SIDE // 2 + reach)
    changed[part, part] = change(np.ascontiguousarray(picture[part, part]), np.random.default_rng([SEED, number]))
    return changed
