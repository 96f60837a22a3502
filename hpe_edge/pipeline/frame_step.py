"""Per-frame processing: tracking, pose estimation and smoothing of detected faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hpe_edge.attention.attention import Attention
from hpe_edge.camera import Camera
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.faces.scene_cut import SceneCut
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.pipeline.frame_result import FindFaces, Result
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.poses import Poses
from hpe_edge.sources.frame import Frame
from hpe_edge.upright.keypoint_roll import roll_of_rotation

CameraOf = Callable[[int, int], Camera]  # of frames of that width and height
Meter = Callable[[float, Poses], Attention]  # of a time in seconds and the poses at it


def find_by(detector: Detector) -> FindFaces:
    """Create a face finder from a detector."""
    return lambda frame: detector(frame.image)


class Analysis:
    """Computation of a frame's result from its detections. Called in order, from one thread.

    At a cut between scenes the tracks end, and with them the filters of their poses.

    Attributes:
        cuts: number of cuts so far.
    """

    def __init__(
        self,
        engine: Callable[..., Poses],
        *,
        tracker: Tracker | None = None,
        smoother: PoseSmoother | None = None,
        camera_of: CameraOf | None = None,
        keep_boxes: bool = False,
        drop_doubtful: bool = False,
        meter: Meter | None = None,
    ) -> None:
        """
        Args:
            engine: estimates the poses: a :class:`hpe_edge.PoseEngine`.
            tracker: of the faces; needed for frames without detections. None for pictures.
            smoother: of the poses of tracked faces.
            camera_of: intrinsics, for rectified estimates.
            keep_boxes: use the detected boxes; otherwise the tracker's filtered ones.
            drop_doubtful: leave doubtful faces out of the results.
            meter: adds poses relative to the neutral pose, zones and events.
        """
        self._engine, self._tracker, self._smoother = engine, tracker, smoother
        self._camera_of, self._keep_boxes = camera_of, keep_boxes
        self._drop_doubtful, self._meter = drop_doubtful, meter
        self._is_cut = None if tracker is None else SceneCut()
        self.cuts = 0
        self._cameras: dict[tuple[int, int], Camera] = {}

    def __call__(self, frame: Frame, found: Detections | None, watch: Stopwatch) -> Result:
        """Process a frame.

        Args:
            frame: the picture.
            found: its faces; None where detection was skipped.
            watch: times the stages "track", "crop", "infer", "decode" and "filter".
        """
        with watch.stage("track", frame.index):
            if self._tracker is not None and self._is_cut is not None and self._is_cut(frame.image):
                self._tracker.cut()
                self.cuts += 1
            faces = self._tracked(frame, found)
        camera = self._camera(frame)
        poses = self._engine(frame.image, faces, camera=camera, timer=lambda name: watch.stage(name, frame.index))
        if self._tracker is not None:
            self._tracker.carry(roll_of_rotation(poses.rotation))
        if self._drop_doubtful:
            poses = poses[~poses.doubtful]
        if self._smoother is not None:
            with watch.stage("filter", frame.index):
                poses = self._smoother(frame.time_s, poses.ids, poses)
        attention = None if self._meter is None else self._meter(frame.time_s, poses)
        return Result(frame, poses, camera, attention)

    def _tracked(self, frame: Frame, found: Detections | None) -> Detections:
        if self._tracker is None:
            assert found is not None
            return found
        if found is None:
            tracks = self._tracker.predict(frame.time_s)
            scores = np.full(len(tracks), np.nan, np.float32)
            return Detections(tracks.boxes, tracks.boxes, scores, ids=tracks.ids, rolls=tracks.rolls)
        tracks = self._tracker.update(frame.time_s, found.boxes, found.scores)
        boxes = found.boxes if self._keep_boxes else tracks.boxes
        return replace(found, boxes=boxes, ids=tracks.ids, rolls=tracks.rolls)

    def _camera(self, frame: Frame) -> Camera | None:
        if self._camera_of is None:
            return None
        height, width = frame.image.shape[:2]
        if (width, height) not in self._cameras:
            self._cameras[width, height] = self._camera_of(width, height)
        return self._cameras[width, height]
