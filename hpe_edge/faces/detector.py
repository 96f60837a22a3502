"""Detections, the protocol of face detectors, and the fit of their boxes to the face.

A model's crop is relative to boxes that fit the face as its 68 landmarks do, from chin to eyebrows. Detectors draw
their boxes differently, so each one here has a measured fit that converts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """The faces of a frame, from left to right (by x1 as drawn), so that a face keeps its row while its score wavers.

    Attributes:
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels, chin to eyebrows: ready for the engine; may leave the frame.
        drawn: float32 ``[N, 4]``, the boxes as the detector draws them.
        scores: float32 ``[N]``, 0..1, NaN where the detector gives none; detectors differ in scale.
        keypoints: float32 ``[N, 5, 2]``, x y in pixels: eye, eye, tip of the nose, corner of the mouth, corner of the
            mouth; of a pair the person's right one first, which is the left one in the picture. None where the
            detector gives none.
    """

    boxes: NDArray[np.float32]
    drawn: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32] | None = None

    @classmethod
    def from_boxes(cls, boxes: NDArray[np.float32], scores: NDArray[np.float32] | None = None) -> Detections:
        """Detections whose boxes ``[N, 4]`` need no conversion; without scores ``[N]`` these are NaN."""
        return cls(boxes, boxes, np.full(len(boxes), np.nan, np.float32) if scores is None else scores)

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Finds the faces of a frame. May be called from many threads."""

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find faces.

        Args:
            frame_bgr: uint8 ``[H, W, 3]``.

        Raises:
            InputError: not such a frame.
        """


@dataclass(frozen=True)
class LandmarkFit:
    """Position of the landmark box in a detector's box: medians, as fractions of that box's width and height.

    Attributes:
        width, height: of the landmark box.
        down: from the box's centre to the landmark box's; left-right it is 0 but for an error that depends on yaw.
    """

    width: float
    height: float
    down: float

    def __call__(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Landmark boxes of a detector's boxes, both ``[N, 4]``."""
        size = boxes[:, 2:] - boxes[:, :2]
        center = boxes[:, :2] + size * np.array([0.5, 0.5 + self.down], np.float32)
        half = size * np.array([self.width / 2, self.height / 2], np.float32)
        return np.concatenate([center - half, center + half], axis=1)
