"""Result of one frame, passed from the pipeline to its sinks, and the types of the steps before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.camera import Camera
from hpe_edge.faces.detector import Detections
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.poses import Poses
from hpe_edge.sources.frame import Frame


@dataclass(frozen=True)
class Result:
    """One frame's N faces, in the order of their boxes.

    Attributes:
        frame: the picture; sinks that draw do so on a copy, or own it.
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels, chin to eyebrows.
        poses: of the N faces, smoothed if requested.
        scores: float32 ``[N]``, of the detector; NaN if it has none.
        ids: int64 ``[N]``, identities over time; -1 for untracked faces.
        camera: intrinsics of rectified poses; None otherwise.
    """

    frame: Frame
    boxes: NDArray[np.float32]
    poses: Poses
    scores: NDArray[np.float32]
    ids: NDArray[np.int64]
    camera: Camera | None = None


FindFaces = Callable[[Frame], Detections]
EstimatePoses = Callable[[Frame, Detections | None, Stopwatch], Result]  # None where detection was skipped
