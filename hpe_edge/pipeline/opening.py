"""Parts of a run, opened from options that `hpe-edge run` and :func:`hpe_edge.track` share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpe_edge.boxes.box_checks import BoxChecks
from hpe_edge.boxes.box_fit import BoxesFrom, box_fit
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.camera import Camera
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import DEFAULT_DETECTOR, Detections, Detector, VideoDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.faces.smoother import UNCALIBRATED_USUAL_DEG, PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.picture.picture_engine import PictureEngine
from hpe_edge.picture.picture_faces import known_poses
from hpe_edge.pipeline.core_budget import CoreShare, share_cores
from hpe_edge.pipeline.frame_result import FindFaces
from hpe_edge.pipeline.frame_step import Analysis, CameraOf, Meter, find_by
from hpe_edge.sources.capture.shape import Shape, shape_of
from hpe_edge.sources.frame import Frame, Source
from hpe_edge.util.cores import usable_cores

_MEMORY_S = 1.0
_SLOWEST_LIVE_FPS = 5.0  # lowest processing rate that is assumed for a live source


@dataclass(frozen=True, kw_only=True)
class FaceOptions:
    """Options of a run but for its source, engine and outputs.

    Attributes:
        picture: a whole-picture model in place of detector, boxes and pose engine.
        detector: a detector, or what :func:`hpe_edge.open_detector` takes; None: the embedded one.
        boxes: a file of boxes instead of a detector, see :class:`hpe_edge.boxes.boxes_csv.BoxesFile`.
        boxes_from: whose boxes those of the file are; None: chin to eyebrows.
        min_score, min_face, detect_size, detect_stretch: see :func:`hpe_edge.open_detector`.
        detect_every: interval of detection in frames; faces are tracked in the others.
        track: track faces across frames; pictures are never tracked.
        smooth: filter the poses of each face over time.
        camera_of: intrinsics for rectified poses, of the source's own frames of a width and height; a
            :class:`FieldOfView` is that of the frames as they are shown.
        drop_doubtful: leave doubtful faces out of the results.
        meter: adds poses relative to the neutral pose, zones and events.
        frames: number of frames to process; None for all.
    """

    picture: PictureEngine | None = None
    detector: Detector | str | os.PathLike[str] | None = None
    boxes: Path | None = None
    boxes_from: BoxesFrom | None = None
    min_score: float | None = None
    min_face: float | None = None
    detect_size: int | None = None
    detect_stretch: bool = False
    detect_every: int = 1
    track: bool = True
    smooth: bool = False
    camera_of: CameraOf | None = None
    drop_doubtful: bool = False
    meter: Meter | None = None
    frames: int | None = None

    @property
    def sets_detector(self) -> bool:
        """True if settings of a detector by name or file are given."""
        return self.detect_stretch or (self.min_score, self.min_face, self.detect_size) != (None, None, None)


@dataclass(frozen=True)
class FaceSource:
    """Origin of the faces.

    Attributes:
        find: finds those of a frame.
        file: the boxes file; None with a detector.
        in_order: ``find`` needs the frames one after the other, in their order.
    """

    find: FindFaces
    file: BoxesFile | None
    in_order: bool = False

    def workers(self, share: CoreShare) -> int:
        """Return the number of frames in detection at the same time."""
        return 1 if self.in_order else share.detect_workers


def share_of(options: FaceOptions, threads: int | None, *, others: bool = False) -> CoreShare:
    """Distribute the cores of a run.

    Args:
        options: of the run.
        threads: cores to use; None: all.
        others: leave a core to other threads where there are more than two and their number was not given.
    """
    cores = threads or usable_cores()
    if others and threads is None and cores > 2:
        cores -= 1
    return share_cores(cores, several_detectors=options.boxes is None)


def open_faces(options: FaceOptions, source: Source, threads: int) -> FaceSource:
    """Open the detector or the boxes file.

    Args:
        options: of the run.
        source: whose frames it will get.
        threads: of a detector by name or file.

    Raises:
        HpeEdgeError: see :func:`hpe_edge.open_detector` and :class:`BoxesFile`.
    """
    if options.picture is not None:
        picture = options.picture
        return FaceSource(lambda frame: picture.find(frame.image), None, in_order=True)
    if options.boxes is None:
        given = DEFAULT_DETECTOR if options.detector is None else options.detector
        if isinstance(given, (str, os.PathLike)):
            detector = open_detector(
                given,
                threads=threads,
                min_score=options.min_score,
                min_face=options.min_face,
                detect_size=options.detect_size,
                stretch=options.detect_stretch,
            )
        elif options.sets_detector:
            raise InputError(
                "min_score, min_face, detect_size and detect_stretch are for detectors by name or file; set them in "
                "your own detector"
            )
        else:
            detector = given
        # Between detections that the run spaces itself, the regions would be old.
        if source.kind == "video" and options.detect_every == 1 and isinstance(detector, VideoDetector):
            return FaceSource(find_by(detector.for_video()), None, in_order=True)
        return FaceSource(find_by(detector), None)
    if options.detector is not None:
        raise InputError("boxes and detector exclude each other; leave one out")
    file, check = BoxesFile.for_source(options.boxes, source), BoxChecks()
    fit = None if options.boxes_from is None else box_fit(options.boxes_from)

    def find(frame: Frame) -> Detections:
        boxes = file(frame)
        height, width = frame.image.shape[:2]
        check(boxes, width, height, fitted=fit is not None)
        return Detections.from_boxes(boxes, boxes_from=fit)

    return FaceSource(find, file)


def check_picture(options: FaceOptions, named: Callable[[str], str] = str) -> None:
    """Refuse what a whole-picture model has no use for.

    Args:
        options: of the run.
        named: name of an option in messages.

    Raises:
        InputError: there is a whole-picture model, and such an option.
    """
    if options.picture is None:
        return
    for option, given in (
        ("detector", options.detector is not None),
        ("boxes", options.boxes is not None),
        ("min_face", options.min_face is not None),
        ("detect_size", options.detect_size is not None),
        ("detect_stretch", options.detect_stretch),
        ("detect_every", options.detect_every > 1),
        ("camera", options.camera_of is not None),
    ):
        if given:
            raise InputError(
                f"a whole-picture model finds the faces of every frame itself, by a camera of its own: leave out "
                f"{named(option)}"
            )


def open_analysis(options: FaceOptions, source: Source, engine: PoseEngine | None) -> Analysis:
    """Create the per-frame processing of a run; the engine is None with a whole-picture model."""
    forget_s = memory_s(source, options.detect_every)
    calibrated = engine is not None and engine.spec.sigma is not None
    usual = {} if calibrated else {"sigma_usual_deg": UNCALIBRATED_USUAL_DEG}
    return Analysis(
        engine or known_poses,
        tracker=Tracker(survive_s=forget_s) if source.kind == "video" and options.track else None,
        smoother=PoseSmoother(forget_s=forget_s, **usual) if options.smooth else None,
        camera_of=_camera_of(options, source),
        keep_boxes=options.boxes is not None or options.picture is not None,
        drop_doubtful=options.drop_doubtful,
        meter=options.meter,
    )


def check_tracking(options: FaceOptions, source: Source, named: Callable[[str], str] = str) -> None:
    """Refuse options that need tracking for pictures or without tracking.

    Args:
        options: of the run.
        source: pictures or a video.
        named: name of an option in messages.

    Raises:
        InputError: see above.
    """
    for option, wanted in (("smooth", options.smooth), ("detect_every", options.detect_every > 1)):
        if not wanted:
            continue
        if source.kind != "video":
            raise InputError(
                f"{named(option)} tracks faces over time: it needs a video, camera or stream, got {source.name}"
            )
        if not options.track:
            raise InputError(f"{named(option)} needs tracked faces; leave out {named('no_track')}")


def fixed_camera(camera: Camera | float | None) -> CameraOf | None:
    """Return the intrinsics by frame size of a camera, or of a horizontal field of view in degrees."""
    if camera is None:
        return None
    if isinstance(camera, Camera):
        given = camera
        return lambda width, height: given
    return FieldOfView(float(camera))


@dataclass(frozen=True)
class FieldOfView:
    """Intrinsics by frame size of a horizontal field of view.

    Attributes:
        degrees: of the frames as they are shown: upright, with square pixels.
    """

    degrees: float

    def __call__(self, width: int, height: int) -> Camera:
        """Return the camera of frames of this size."""
        return Camera.from_fov(width, height, self.degrees)


def _camera_of(options: FaceOptions, source: Source) -> CameraOf | None:
    """Return the intrinsics of the frames that a source gives: those of a calibration are of its own frames."""
    shape, own = shape_of(source), options.camera_of
    if own is None or isinstance(own, FieldOfView) or shape == Shape():
        return own

    def of_shaped(width: int, height: int) -> Camera:
        size = shape.before(width, height)
        return shape.camera(own(*size), *size)

    return of_shaped


def memory_s(source: Source, detect_every: int) -> float:
    """Return how long a face may be undetected: two missed detections, and at least a second."""
    if source.kind != "video":
        return _MEMORY_S
    # Frames of a live source may be dropped, so its rate is an upper bound.
    fps = min(source.fps, _SLOWEST_LIVE_FPS) if source.live else source.fps
    return max(_MEMORY_S, 2.5 * detect_every / fps)
