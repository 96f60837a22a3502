"""Detectors that need no network, and some that end their process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from hpe_edge.faces.detector import Detections


class EveryFrame:
    """A face in every frame, at one place."""

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        return Detections.from_boxes([[20, 10, 60, 55]])


class KilledOnce(EveryFrame):
    """Kills its process, as the system does when memory runs out, at its frame ``at``; once for all processes."""

    def __init__(self, marker: Path, at: int) -> None:
        self.marker, self.at, self.calls = marker, at, 0

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        self.calls += 1
        if self.calls == self.at and not self.marker.exists():
            self.marker.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(frame_bgr)


class KilledByWidth(EveryFrame):
    """Kills its process at frames of one width, each time."""

    def __init__(self, width: int, log: Path) -> None:
        self.width, self.log = width, log

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        if frame_bgr.shape[1] == self.width:
            with self.log.open("a") as log:
                log.write("killed\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(frame_bgr)
