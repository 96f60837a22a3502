"""Agreement of two detectors on the same frames: the gate of detectors in native code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.overlap import iou
from hpe_edge.errors import HpeEdgeError, ModelError
from hpe_edge.faces.detector import Detections, Detector

_SAME = 0.5  # intersection over union from which two boxes are of one face
_SURE = 0.05  # above the threshold; faces at the threshold come and go with any rounding


@dataclass(frozen=True)
class Agreement:
    """Faces that two detectors find in the same frames.

    Attributes:
        frames: looked at.
        faces: that the first finds surely, 0.05 above its threshold.
        missed: of these, without a box of the other that overlaps by 0.5.
        added: that the other finds surely and the first does not find.
        mean_iou, worst_iou: of the boxes of the faces that both find.
        worst_score: largest difference of their scores.
    """

    frames: int
    faces: int
    missed: int
    added: int
    mean_iou: float
    worst_iou: float
    worst_score: float

    def __str__(self) -> str:
        return (
            f"{self.faces} faces in {self.frames} frames, {self.missed} missed, {self.added} added; boxes overlap by "
            f"{self.mean_iou:.4f} on average and {self.worst_iou:.4f} at worst, scores differ by {self.worst_score:.3g}"
        )


class DetectorsDisagree(HpeEdgeError):
    """The detector finds other faces than the original; nothing was written."""

    exit_status = 3


@dataclass(frozen=True)
class AgreementLimits:
    """Limits of an agreement: the share of missed and of added faces, and the mean overlap and largest difference of
    scores of the others."""

    changed: float
    mean_iou: float
    worst_score: float

    def require(self, found: Agreement, advice: str) -> None:
        """Check an agreement.

        Raises:
            DetectorsDisagree: it exceeds a limit.
        """
        changed = max(found.missed, found.added) / found.faces
        if changed <= self.changed and found.mean_iou >= self.mean_iou and found.worst_score <= self.worst_score:
            return
        raise DetectorsDisagree(
            f"the detector in native code does not agree with the original: {found}. At most {self.changed:.1%} may be "
            f"missed or added, boxes must overlap by {self.mean_iou} and scores differ by {self.worst_score} at most. "
            f"{advice}"
        )


def compare(first: Detector, other: Detector, threshold: float, frames: Sequence[NDArray[np.uint8]]) -> Agreement:
    """Compare two detectors.

    Args:
        first, other: detectors.
        threshold: of their scores.
        frames: BGR.

    Raises:
        ModelError: the first finds no face surely.
    """
    sure = threshold + _SURE
    faces = missed = added = 0
    overlaps: list[float] = []
    scores: list[float] = []
    for frame in frames:
        wanted, found = first(frame), other(frame)
        shared = iou(wanted.drawn, found.drawn)
        faces += int((wanted.scores >= sure).sum())
        missed += _alone(wanted, shared, sure)
        added += _alone(found, shared.T, sure)
        for row in np.flatnonzero(shared.max(axis=1, initial=0) >= _SAME):
            column = int(shared[row].argmax())
            overlaps.append(float(shared[row, column]))
            scores.append(abs(float(wanted.scores[row]) - float(found.scores[column])))
    if not faces:
        raise ModelError(f"the detector finds no face in {len(frames)} pictures; give pictures of faces")
    return Agreement(
        len(frames),
        faces,
        missed,
        added,
        float(np.mean(overlaps)) if overlaps else 0.0,
        min(overlaps, default=0.0),
        max(scores, default=0.0),
    )


def _alone(found: Detections, shared: NDArray[np.float64], sure: float) -> int:
    """Sure faces that no box of the other is on."""
    return int(((found.scores >= sure) & (shared.max(axis=1, initial=0) < _SAME)).sum())
