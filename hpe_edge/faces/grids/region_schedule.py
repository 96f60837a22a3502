"""Face detection in a video: the whole frame every few frames, regions around known faces between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.ops.frames import check_frame

Array = NDArray[np.float32]

FindIn: TypeAlias = Callable[[NDArray[np.uint8], Array], Detections]  # of a frame and square regions [N, 4]

EVERY = 4  # frames between looks at the whole frame, which find new faces
_REACH = 2.5  # side of a region in longer sides of the face's box
_FASTEST = 1.5  # sides of its box that a face moves between frames
_MOST_REGIONS = 12  # more take longer than the whole frame


class RegionSchedule:
    """Detector for the frames of one video, in their order. Implements :class:`hpe_edge.faces.detector.Detector`.

    Every ``EVERY`` frames the whole frame is searched; between, only regions around the faces of the frame before,
    moved on by their last motion. Where a region loses its face, the whole frame is searched at once, so a scene cut
    costs one look and no frame. New faces, and those of a scene after frames without any, are found within ``EVERY``
    frames.

    Calls from several threads take turns; frames that arrive out of order are searched around wrong places.
    """

    def __init__(self, whole: Detector, find_in: FindIn) -> None:
        """
        Args:
            whole: searches a whole frame.
            find_in: searches regions of one, at most one face each.
        """
        self._whole, self._find_in = whole, find_in
        self._guard = threading.Lock()
        self._since = EVERY
        self._shape: tuple[int, ...] = ()
        self._last = Detections.from_boxes([])
        self._boxes = self._last.boxes
        self._motion = np.empty((0, 2), np.float32)

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find the faces of the next frame, see :class:`hpe_edge.faces.detector.Detector`."""
        frame = check_frame(frame_bgr)
        with self._guard:
            self._since += 1
            found = None
            if self._since < EVERY and frame.shape == self._shape:
                if not len(self._boxes):
                    return self._last
                if len(self._boxes) <= _MOST_REGIONS:
                    found = self._find_in(frame, self._regions())
            if found is None or len(found) < len(self._boxes):
                found, self._since = self._search(frame), 0
            self._follow(found.boxes)
            self._shape, self._last = frame.shape, found
            return found

    def _search(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Search the whole frame, and regions around known faces that it does not give: they show more pixels."""
        found = self._whole(frame_bgr)
        if frame_bgr.shape != self._shape or not len(self._boxes):
            return found
        regions = self._regions()
        lost = regions[~_centred_in(regions, found.boxes)][:_MOST_REGIONS]
        return _joined(found, self._find_in(frame_bgr, lost)) if len(lost) else found

    def _regions(self) -> Array:
        middle = (self._boxes[:, :2] + self._boxes[:, 2:]) / 2 + self._motion
        half = (self._boxes[:, 2:] - self._boxes[:, :2]).max(axis=1, keepdims=True) * np.float32(_REACH / 2)
        return np.concatenate([middle - half, middle + half], axis=1)

    def _follow(self, boxes: Array) -> None:
        """Take the boxes of a frame, and their motion since the one before where it is known."""
        motion = np.zeros((len(boxes), 2), np.float32)
        if len(boxes) and len(self._boxes):
            middle, before = ((each[:, :2] + each[:, 2:]) / 2 for each in (boxes, self._boxes))
            away = middle[:, None] - before
            nearest = np.abs(away).max(axis=2).argmin(axis=1)
            step = away[np.arange(len(boxes)), nearest]
            same = np.all(np.abs(step) < _FASTEST * (boxes[:, 2:] - boxes[:, :2]), axis=1)
            motion[same] = step[same]
        self._boxes, self._motion = boxes.copy(), motion  # the caller may change those that it got


def _joined(found: Detections, more: Detections) -> Detections:
    """Detections of both, from left to right; of ``more`` those whose centre is in none of ``found``."""
    new = ~_centred_in(more.boxes, found.boxes)
    order = np.argsort(np.concatenate([found.drawn[:, 0], more.drawn[new, 0]]), kind="stable")
    boxes, drawn, scores = (
        np.concatenate([getattr(found, name), getattr(more, name)[new]])[order] for name in ("boxes", "drawn", "scores")
    )
    if found.keypoints is None or more.keypoints is None:
        return Detections(boxes, drawn, scores)
    return Detections(boxes, drawn, scores, np.concatenate([found.keypoints, more.keypoints[new]])[order])


def _centred_in(boxes: Array, others: Array) -> NDArray[np.bool_]:
    """Bool ``[N]``: boxes whose centre lies in one of the others."""
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    within = np.all((others[:, :2] < middle) & (middle < others[:, 2:]), axis=2)
    return np.asarray(within.any(axis=1))
