"""Faces of a picture from its regions: poses in the picture's camera, and the boxes of projected landmarks.

The network says six numbers as seen by a camera whose axis goes through the region's middle and whose focal length is
the sum of the region's sides. They are brought to the picture's camera: axis through the picture's middle, focal length
the sum of the picture's sides. For the rotation that is M = K^-1 K_region R, which is none: its first two rows have
parts of the third added. The rotation nearest to M is taken, which for a face a off the axis turns R by
atan(tan(a) / 2): 16.1 degrees for 30. :mod:`hpe_edge.ops.rectify` turns by a, as is right for networks that see a crop
alone. This network was trained with labels made by the inverse of the step here, so it is kept as it is.

Source: Albiero et al., img2pose, CVPR 2021, arXiv:2012.07791, with utils/pose_operations.py and
utils/image_operations.py of its repository; SciPy's Rotation.from_matrix takes the nearest rotation by the singular
value decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.geometry import rotation_from_rotvec, rotvec_from_rotation
from hpe_edge.ops.regions import suppress
from hpe_edge.picture.picture_spec import FaceRule
from hpe_edge.picture.proposals import clipped

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

_SMALLEST_SIDE = 1e-2  # pixels
_ON_ITS_HEAD, _ON_ITS_SIDE = 2.5, 1.0  # third number of the rotation vector, in radians


@dataclass(frozen=True)
class PlacedFaces:
    """Faces of a picture, the best first.

    Attributes:
        rotation: ``[N, 3, 3]``, head to camera.
        translation: ``[N, 3]``, of the head's origin in the camera's frame, in the points' unit.
        tight: ``[N, 4]``, box of the projected landmarks, chin to eyebrows.
        drawn: ``[N, 4]``, the box that the model draws, in whole pixels of the resized picture.
        scores: ``[N]``.
    """

    rotation: Float64Array
    translation: Float64Array
    tight: Float64Array
    drawn: Float64Array
    scores: Float32Array

    def __len__(self) -> int:
        return len(self.scores)


def place_faces(
    regions: Float32Array, logits: Float32Array, poses: Float32Array, size_hw: tuple[int, int], rule: FaceRule
) -> PlacedFaces:
    """Convert the second network's outputs to faces.

    Args:
        regions: ``[N, 4]`` in pixels of the resized picture.
        logits, poses: ``[N, 2]`` and ``[N, 6]`` of the second network.
        size_hw: height and width of the resized picture.
        rule: of the model.
    """
    scores = _second_of_two(logits)
    seen = clipped(regions, size_hw)
    kept = (scores > rule.min_score) & (seen[:, 2:] - seen[:, :2] >= _SMALLEST_SIDE).all(axis=1)
    seen, scores = seen[kept], scores[kept]
    numbers = poses[kept] * np.asarray(rule.deviation) + np.asarray(rule.mean)
    rotation, translation = in_picture(numbers, seen, size_hw)
    tight = projected_boxes(rotation, translation, np.asarray(rule.points), size_hw)
    drawn = drawn_boxes(tight, np.asarray(rotvec_from_rotation(rotation)[:, 2], np.float64), size_hw, rule)
    best = suppress(drawn, scores, rule.overlap)
    return PlacedFaces(rotation[best], translation[best], tight[best], drawn[best], scores[best])


def in_picture(
    numbers: Float64Array, regions: Float32Array, size_hw: tuple[int, int]
) -> tuple[Float64Array, Float64Array]:
    """Bring poses from their regions' cameras to the picture's; see the module's docstring.

    Args:
        numbers: ``[N, 6]``, rotation vector in radians and translation.
        regions: ``[N, 4]``, in pixels of the picture.
        size_hw: its height and width.

    Returns:
        Rotations ``[N, 3, 3]`` and translations ``[N, 3]``.
    """
    height, width = size_hw
    focal = height + width
    sides = regions[:, 2:] - regions[:, :2]
    # The middle in whole pixels from the region's corner, and from the picture's, as in training.
    off_axis = (regions[:, :2] + np.floor_divide(sides, np.float32(2)) - [width // 2, height // 2]) / focal
    translation = numbers[:, 3:].astype(np.float64)
    translation[:, 2] *= focal / sides.sum(axis=1)
    translation[:, :2] += off_axis * translation[:, 2:]
    skewed = np.asarray(rotation_from_rotvec(numbers[:, :3].astype(np.float64)), np.float64).copy()
    skewed[:, :2] += off_axis[:, :, None] * skewed[:, 2:]
    return nearest_rotation(skewed), translation


def nearest_rotation(matrices: Float64Array) -> Float64Array:
    """Return the rotations nearest to ``[N, 3, 3]`` matrices in the Frobenius norm; NaN where one has a NaN."""
    finite = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    left, _, right = np.linalg.svd(np.where(finite[:, None, None], matrices, np.eye(3)))
    mirrored = np.linalg.det(left @ right) < 0
    left[mirrored, :, 2] *= -1
    rotation: Float64Array = np.where(finite[:, None, None], left @ right, np.nan)
    return rotation


def projected_boxes(
    rotation: Float64Array, translation: Float64Array, points: Float64Array, size_hw: tuple[int, int]
) -> Float64Array:
    """Return the boxes ``[N, 4]`` of ``[L, 3]`` points of the head in the picture."""
    height, width = size_hw
    placed = points @ np.swapaxes(rotation, 1, 2) + translation[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = placed[..., :2] / placed[..., 2:] * (height + width) + [width // 2, height // 2]
    return np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1)


def drawn_boxes(tight: Float64Array, roll_rad: Float64Array, size_hw: tuple[int, int], rule: FaceRule) -> Float64Array:
    """Return the boxes ``[N, 4]`` that the model draws: grown, longer at the forehead, in whole pixels, clipped.

    Args:
        tight: ``[N, 4]`` boxes of the projected points.
        roll_rad: ``[N]``, third number of the rotation vector, by which the forehead's side is chosen.
        size_hw: height and width of the picture.
        rule: of the model.
    """
    extent = tight[:, 2:] - tight[:, :2]
    half = np.trunc(extent * [rule.grown_x, rule.grown_y]) / 2
    middle = (tight[:, :2] + tight[:, 2:]) / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    across, along = rule.forehead * extent[:, 0], rule.forehead * extent[:, 1]
    down = np.abs(roll_rad) > _ON_ITS_HEAD
    right = ~down & (roll_rad > _ON_ITS_SIDE)
    left = ~down & (roll_rad < -_ON_ITS_SIDE)
    boxes[:, 3] += np.where(down, along, 0)
    boxes[:, 2] += np.where(right, across, 0)
    boxes[:, 0] -= np.where(left, across, 0)
    boxes[:, 1] -= np.where(down | right | left, 0, along)
    boxes = np.trunc(boxes)
    height, width = size_hw
    return np.concatenate([np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, 2:], [width, height])], axis=1)


def _second_of_two(logits: Float32Array) -> Float32Array:
    """Return the softmax of two logits, of the second."""
    with np.errstate(over="ignore"):
        scores: Float32Array = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    return scores
