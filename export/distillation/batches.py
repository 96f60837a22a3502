"""Batches for the training steps.

A step's batch depends on the seed and the step's number alone, so a run that was stopped goes on with the same batches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.distillation import angle_grid
from export.distillation.arrays import BATCH, SEED, Batch, FaceSource, Image, warp
from export.distillation.targets import Targets
from hpe_edge.spec import Crop, Input


class Batches:
    """Random batches of a face source with its targets."""

    def __init__(self, source: FaceSource, targets: Targets, crop: Crop, input: Input) -> None:
        """
        Args:
            source, targets: the faces, and their targets.
            crop, input: the student's; the margins of the crop's left side hold for all.
        """
        self._source, self._targets = source, targets
        self._crop, self._input = crop, input

    def __call__(self, step: int) -> Batch:
        """The batch of a step: half of it mirrored, which changes the signs of yaw and roll."""
        rng = np.random.default_rng([SEED, step])
        plain = self.of(rng.integers(len(self._source), size=BATCH))
        mirrored = rng.random(BATCH) < 0.5
        return Batch(
            np.where(mirrored[:, None, None, None], plain.crops[..., ::-1], plain.crops),
            np.where(mirrored[:, None, None], angle_grid.mirrored(plain.distributions), plain.distributions),
            np.where(mirrored[:, None], plain.angles * np.array([-1, 1, -1], np.float32), plain.angles),
        )

    def of(self, which: NDArray[np.intp]) -> Batch:
        """Some of the faces, as they are."""
        crops = np.stack([self._cut(number) for number in which.tolist()])
        crops = crops[..., :: -1 if self._input.color == "RGB" else 1].transpose(0, 3, 1, 2)
        angles = self._targets.angles[which].astype(np.float32)
        return Batch(np.ascontiguousarray(crops), self._targets.distributions(which), angles)

    def _cut(self, number: int) -> Image:
        """The crop, by OpenCV: a third as long as by :mod:`hpe_edge.ops.crop`, its pixels to a level or two."""
        box, size = self._source.boxes[number].astype(np.float64), self._input.size
        side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * self._crop.margins[0])
        left, top = (box[:2] + box[2:] - side) / 2
        scale = side / size
        # cv2 counts from the centre of the first pixel.
        shift = (left + (scale - 1) / 2, top + (scale - 1) / 2)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
        return warp(self._source.image(number), matrix, size)
