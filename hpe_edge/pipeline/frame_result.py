"""Result of one frame, passed from the pipeline to its sinks, and the types of the steps before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.attention.attention import Attention
from hpe_edge.camera import Camera
from hpe_edge.faces.detector import Detections
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.poses import Poses
from hpe_edge.sources.frame import Frame


@dataclass(frozen=True)
class Result:
    """One frame's N faces.

    Attributes:
        frame: the picture; sinks that draw do so on a copy, or own it.
        poses: of the faces, with their boxes, scores and ids; smoothed if requested.
        camera: intrinsics of rectified poses; None otherwise.
        attention: poses relative to the neutral pose, zones and events, if requested.
    """

    frame: Frame
    poses: Poses
    camera: Camera | None = None
    attention: Attention | None = None

    @property
    def image(self) -> NDArray[np.uint8]:
        """uint8 ``[H, W, 3]``, BGR."""
        return self.frame.image

    @property
    def time_s(self) -> float:
        """Seconds from the start of the video or camera; NaN for a picture."""
        return self.frame.time_s

    @property
    def boxes(self) -> NDArray[np.float32]:
        """float32 ``[N, 4]``, x1 y1 x2 y2 in pixels, chin to eyebrows."""
        return self.poses.boxes

    @property
    def scores(self) -> NDArray[np.float32]:
        """float32 ``[N]``, of the detector; NaN if it has none."""
        return self.poses.scores

    @property
    def ids(self) -> NDArray[np.int64]:
        """int64 ``[N]``, identities over time; -1 for untracked faces."""
        return self.poses.ids


FindFaces = Callable[[Frame], Detections]
EstimatePoses = Callable[[Frame, Detections | None, Stopwatch], Result]  # None where detection was skipped
