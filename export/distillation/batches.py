"""The batches that training steps see.

A step's batch depends on the seed and the step's number alone, so a run that was stopped goes on with the same batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.distillation import grid
from export.distillation.patches import Image, warp
from export.distillation.scenes import SEED
from export.distillation.targets import Targets
from export.distillation.teachers import Shown
from hpe_edge.spec import Crop, Input

BATCH = 64


@dataclass(frozen=True)
class Batch:
    """B crops.

    Attributes:
        crops: uint8 ``[B, 3, S, S]`` in the student's colour order.
        beliefs: float32 ``[B, 3, COUNT]``.
        angles: float32 ``[B, 3]``, yaw, pitch, roll in degrees.
    """

    crops: NDArray[np.uint8]
    beliefs: NDArray[np.float32]
    angles: NDArray[np.float32]


class Batches:
    """Draws from all that is shown."""

    def __init__(self, shown: Shown, targets: Targets, crop: Crop, input: Input) -> None:
        """
        Args:
            shown, targets: what is seen, and what is believed of it.
            crop, input: the student's; the margins of the crop's left side hold for all.
        """
        self._shown, self._targets = shown, targets
        self._crop, self._input = crop, input

    def __call__(self, step: int) -> Batch:
        """The batch of a step: half of it mirrored, which changes the signs of yaw and roll."""
        rng = np.random.default_rng([SEED, step])
        plain = self.of(rng.integers(len(self._shown), size=BATCH))
        mirrored = rng.random(BATCH) < 0.5
        return Batch(
            np.where(mirrored[:, None, None, None], plain.crops[..., ::-1], plain.crops),
            np.where(mirrored[:, None, None], grid.mirrored(plain.beliefs), plain.beliefs),
            np.where(mirrored[:, None], plain.angles * np.array([-1, 1, -1], np.float32), plain.angles),
        )

    def of(self, which: NDArray[np.intp]) -> Batch:
        """Some of what is shown, as it is."""
        crops = np.stack([self._cut(number) for number in which.tolist()])
        crops = crops[..., :: -1 if self._input.color == "RGB" else 1].transpose(0, 3, 1, 2)
        return Batch(
            np.ascontiguousarray(crops), self._targets.beliefs(which), self._targets.angles[which].astype(np.float32)
        )

    def _cut(self, number: int) -> Image:
        """The crop, by OpenCV: a third as long as by :mod:`hpe_edge.ops.crop`, its pixels to a level or two."""
        box, size = self._shown.boxes[number].astype(np.float64), self._input.size
        side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * self._crop.margins[0])
        left, top = (box[:2] + box[2:] - side) / 2
        scale = side / size
        # cv2 counts from the centre of the first pixel.
        shift = (left + (scale - 1) / 2, top + (scale - 1) / 2)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
        return warp(self._shown.image(number), matrix, size)
