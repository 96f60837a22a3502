"""Detections, the protocol of face detectors, and the fit of their boxes to the face.

A model's crop is relative to the bounding box of the face's 68 landmarks, from chin to eyebrows. Detectors draw their
boxes differently, so each one here has a measured fit that converts them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.boxes.box_fit import box_fit
from hpe_edge.errors import InputError
from hpe_edge.ops.frames import check_boxes

if TYPE_CHECKING:
    from hpe_edge.boxes.box_fit import BoxesFrom


DEFAULT_DETECTOR = "face-detector"  # see hpe_edge.open_detector; comes with hpe_edge

DETECT_SIZES = (64, 4096)  # least and most pixels of a detector's input; the command line has them too


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
        ids: int64 ``[N]``, identities of a tracker, -1 for none; None if the faces are not tracked.
        rolls: float32 ``[N]``, in-plane rolls of tracked faces in degrees, NaN for unknown ones: where there are no key
            points, an engine with upright crops takes them. None if unknown.
    """

    boxes: NDArray[np.float32]
    drawn: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32] | None = None
    ids: NDArray[np.int64] | None = None
    rolls: NDArray[np.float32] | None = None

    @classmethod
    def from_boxes(
        cls, boxes: ArrayLike, scores: ArrayLike | None = None, *, boxes_from: BoxesFrom | None = None
    ) -> Detections:
        """Create detections from boxes of another detector.

        Args:
            boxes: ``[N, 4]``, x1 y1 x2 y2 in pixels.
            scores: ``[N]``; None if there are none.
            boxes_from: whose boxes they are, see :meth:`hpe_edge.PoseEngine.__call__`; None: chin to eyebrows.

        Raises:
            InputError: invalid boxes or scores, or an unknown ``boxes_from``.
        """
        drawn = check_boxes(boxes)
        numbers = np.full(len(drawn), np.nan, np.float32) if scores is None else np.asarray(scores, np.float32)
        if numbers.shape != (len(drawn),):
            raise InputError(f"there must be one score per box, got shape {numbers.shape} for {len(drawn)} boxes")
        return cls(drawn if boxes_from is None else box_fit(boxes_from)(drawn), drawn, numbers)

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


@runtime_checkable
class VideoDetector(Detector, Protocol):
    """Detector with a faster schedule for the frames of a video."""

    def for_video(self) -> Detector:
        """Return a detector for the frames of one video, called with them in order; it keeps state."""


def check_min_face(height: float | None) -> float:
    """Return the height of the smallest face in pixels, 0 if it is None.

    Raises:
        InputError: it is negative or not finite.
    """
    if height is None:
        return 0.0
    number = _number(height)
    if not 0 <= number < math.inf:
        raise InputError(f"min_face is a height in pixels of the frame, 0 or more, got {height!r}")
    return number


def check_min_score(score: float | None, default: float) -> float:
    """Return the threshold of scores, ``default`` if it is None.

    Raises:
        InputError: it is not a number from 0 to 1.
    """
    number = default if score is None else _number(score)
    if not 0 <= number <= 1:
        raise InputError(f"min_score must be from 0 to 1, got {score!r}")
    return number


def _number(value: object) -> float:
    """Return a number of Python or NumPy as float; NaN for anything else."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return math.nan
    try:
        return float(value)
    except (TypeError, OverflowError):
        return math.nan


def check_detect_size(pixels: int | None) -> int | None:
    """Return the size of a detector's input, None if it is None.

    Raises:
        InputError: it is not a whole number within the limits.
    """
    if pixels is None:
        return None
    whole = isinstance(pixels, (int, np.integer)) and not isinstance(pixels, bool)
    if not (whole and DETECT_SIZES[0] <= pixels <= DETECT_SIZES[1]):
        least, most = DETECT_SIZES
        raise InputError(f"detect_size is the longer side in pixels, {least} to {most}, got {pixels!r}")
    return int(pixels)


def without_small(found: Detections, min_face: float) -> Detections:
    """Leave out the faces whose box for the engine is lower than ``min_face`` pixels of the frame."""
    return faces_of(found, found.boxes[:, 3] - found.boxes[:, 1] >= min_face)


def faces_of(found: Detections, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
    """Return some of the faces, by a mask ``[N]`` or their numbers."""
    points = None if found.keypoints is None else found.keypoints[kept]
    ids = None if found.ids is None else found.ids[kept]
    rolls = None if found.rolls is None else found.rolls[kept]
    return Detections(found.boxes[kept], found.drawn[kept], found.scores[kept], points, ids, rolls)
