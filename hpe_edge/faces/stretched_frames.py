"""Detection on frames that are stretched to full contrast, for dark and flat videos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.faces.detector import Detections, Detector, VideoDetector
from hpe_edge.ops.frames import check_frame

_PERCENTILES = (1.0, 99.0)
_SAMPLES = 256  # of a side
_FLAT = 2.0  # levels; a frame of one colour stays


class StretchedFrames:
    """Detector that sees frames stretched: their 1st to 99th percentile becomes 0 to 255.

    Implements :class:`hpe_edge.faces.detector.Detector`.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find faces, see :class:`hpe_edge.faces.detector.Detector`."""
        return self._detector(stretched(check_frame(frame_bgr)))


class StretchedVideo(StretchedFrames):
    """The same of a detector with a schedule for videos."""

    def __init__(self, detector: VideoDetector) -> None:
        super().__init__(detector)
        self._scheduled = detector

    def for_video(self) -> StretchedFrames:
        """See :class:`hpe_edge.faces.detector.VideoDetector`."""
        return StretchedFrames(self._scheduled.for_video())


def on_stretched_frames(detector: Detector) -> StretchedFrames:
    """Return a detector that stretches each frame first."""
    return StretchedVideo(detector) if isinstance(detector, VideoDetector) else StretchedFrames(detector)


def stretched(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame with the full range of levels; the frame itself if it has one colour."""
    steps = [max(1, side // _SAMPLES) for side in frame.shape[:2]]
    low, high = np.percentile(frame[:: steps[0], :: steps[1]], _PERCENTILES)
    if high - low < _FLAT:
        return frame
    table = np.rint(np.clip((np.arange(256) - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    result: NDArray[np.uint8] = table[frame]
    return result
