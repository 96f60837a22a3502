"""Detections, the protocol of face detectors, and the fit of their boxes to the face.

A model's crop is relative to the bounding box of the face's 68 landmarks, from chin to eyebrows. Detectors draw their
boxes differently, so each one here has a measured fit that converts them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError


@dataclass(frozen=True)
class Detections:
    """Faces of a frame, from left to right (by x1 as drawn), so that rows are stable when scores fluctuate.

    Attributes:
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels, chin to eyebrows, as the engine takes them; may leave the
            frame.
        drawn: float32 ``[N, 4]``, the boxes as the detector draws them.
        scores: float32 ``[N]``, 0..1, NaN if the detector has none; detectors differ in scale.
        keypoints: float32 ``[N, 5, 2]``, x y in pixels: eyes, tip of the nose, corners of the mouth; of a pair the
            person's right one first, which is the left one in the image. None if the detector has none.
    """

    boxes: NDArray[np.float32]
    drawn: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32] | None = None

    @classmethod
    def from_boxes(cls, boxes: NDArray[np.float32], scores: NDArray[np.float32] | None = None) -> Detections:
        """Create detections from boxes ``[N, 4]``, chin to eyebrows, and scores ``[N]`` (NaN if None)."""
        return cls(boxes, boxes, np.full(len(boxes), np.nan, np.float32) if scores is None else scores)

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Face detector. May be called from several threads."""

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find faces.

        Args:
            frame_bgr: uint8 ``[H, W, 3]``.

        Raises:
            InputError: another frame.
        """


@dataclass(frozen=True)
class LandmarkFit:
    """Position of the landmark box in a detector's box: medians, as fractions of that box's width and height.

    Attributes:
        width, height: of the landmark box.
        down: from the box's centre to the landmark box's. The horizontal offset is 0 but for a yaw-dependent error.
    """

    width: float
    height: float
    down: float

    def __call__(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert a detector's boxes to landmark boxes, both ``[N, 4]``."""
        size = boxes[:, 2:] - boxes[:, :2]
        center = boxes[:, :2] + size * np.array([0.5, 0.5 + self.down], np.float32)
        half = size * np.array([self.width / 2, self.height / 2], np.float32)
        return np.concatenate([center - half, center + half], axis=1)


def check_min_face(height: float | None) -> float:
    """Return the height of the smallest face in pixels, 0 if it is None.

    Raises:
        InputError: it is negative or not finite.
    """
    if height is None:
        return 0.0
    if not 0 <= height < math.inf:
        raise InputError(f"min_face is a height in pixels of the frame, 0 or more, got {height!r}")
    return float(height)


def without_small(found: Detections, min_face: float) -> Detections:
    """Leave out the faces whose box for the engine is lower than ``min_face`` pixels of the frame."""
    kept = found.boxes[:, 3] - found.boxes[:, 1] >= min_face
    points = None if found.keypoints is None else found.keypoints[kept]
    return replace(found, boxes=found.boxes[kept], drawn=found.drawn[kept], scores=found.scores[kept], keypoints=points)
