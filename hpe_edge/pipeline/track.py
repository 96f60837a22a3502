"""Results of a source as an iterator: what `hpe-edge run` does, in Python."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias, cast

from hpe_edge.boxes.box_fit import BoxesFrom
from hpe_edge.camera import Camera
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import Detector
from hpe_edge.picture.picture_engine import PictureEngine
from hpe_edge.pipeline.core_budget import WARMUP_FACES
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.pipeline.frame_step import Meter
from hpe_edge.pipeline.opening import (
    FaceOptions,
    check_picture,
    check_tracking,
    fixed_camera,
    open_analysis,
    open_faces,
    share_of,
)
from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.pipeline.stages import ClosableQueue
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sources.frame import Realtime, Source
from hpe_edge.sources.open_source import open_source
from hpe_edge.spec import Upright
from hpe_edge.util.signals import StopSignals

Named: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"

_AHEAD = 2  # results that wait for the caller; each holds a frame
_HANGING_S = 5.0  # longest wait for a device that does not return


def track(
    source: Named | Source,
    engine: PoseEngine | PictureEngine | None = None,
    *,
    detector: Detector | str | os.PathLike[str] | None = None,
    boxes: str | os.PathLike[str] | None = None,
    boxes_from: BoxesFrom | None = None,
    min_score: float | None = None,
    min_face: float | None = None,
    detect_size: int | None = None,
    detect_stretch: bool = False,
    detect_every: int = 1,
    tracked: bool = True,
    smooth: bool = False,
    camera: Camera | float | None = None,
    upright: Upright | Literal["model"] | None = "model",
    attention: Meter | None = None,
    drop_doubtful: bool = False,
    frames: int | None = None,
    realtime: bool = False,
    threads: int | None = None,
) -> TrackedFrames:
    """Find, track and estimate the faces of a source, frame by frame.

    >>> for result in hpe_edge.track("clip.mp4", smooth=True):
    ...     print(result.time_s, result.poses.ids, result.poses.yaw)

    Frames are read, searched and estimated in threads, a few ahead of the caller. Of a camera or stream the caller gets
    the newest result, and those that came while it was busy are dropped; of a file every frame comes.

    Args:
        source: what :func:`hpe_edge.open_source` takes, or a source.
        engine: estimates the poses; None: the embedded model. A :class:`hpe_edge.PictureEngine` finds the faces too:
            it takes no detector, boxes or camera, and runs on every frame.
        detector: a detector, or what :func:`hpe_edge.open_detector` takes; None: the embedded one.
        boxes: a CSV file with the faces instead of a detector, see :class:`hpe_edge.boxes.boxes_csv.BoxesFile`.
        boxes_from: whose boxes those of the file are, see :meth:`hpe_edge.PoseEngine.__call__`.
        min_score, min_face, detect_size: see :func:`hpe_edge.open_detector`.
        detect_stretch: its ``stretch``.
        detect_every: interval of detection in frames of a video; faces are tracked in the others.
        tracked: give faces of a video identities over time.
        smooth: filter the poses of each tracked face.
        camera: intrinsics in pixels of the source's own frames, or a horizontal field of view in degrees of the frames
            as they are shown, for rectified poses.
        upright: of the embedded model's crops, see :class:`hpe_edge.PoseEngine`; an engine has its own.
        attention: a :class:`hpe_edge.AttentionMeter`: poses relative to a neutral pose, zones and events.
        drop_doubtful: leave doubtful faces out.
        frames: end after this number of frames; None: all.
        realtime: play a video file at its own speed, as a camera.
        threads: cores to use; None: all. An engine or detector that is given has its own.

    Returns:
        An iterator of :class:`~hpe_edge.pipeline.frame_result.Result`, which also is a context manager: leaving it, or
        ``close()``, ends the threads and releases the camera.

    Raises:
        HpeEdgeError: invalid or contradictory arguments; the source, detector or boxes cannot be opened. Iteration
            raises SourceError where the source has no readable frame.
    """
    picture = engine if isinstance(engine, PictureEngine) else None
    options = FaceOptions(
        picture=picture,
        detector=detector,
        boxes=None if boxes is None else Path(boxes),
        boxes_from=boxes_from,
        min_score=min_score,
        min_face=min_face,
        detect_size=detect_size,
        detect_stretch=detect_stretch,
        detect_every=detect_every,
        track=tracked,
        smooth=smooth,
        camera_of=fixed_camera(camera),
        drop_doubtful=drop_doubtful,
        meter=attention,
        frames=frames,
    )
    if engine is not None and upright != "model":
        raise InputError("upright= is for the embedded model; an engine has its own: PoseEngine(..., upright=...)")
    check_picture(options)
    if picture is not None and min_score is not None:
        raise InputError("min_score= is an engine's own here: PictureEngine(..., min_score=...)")
    for name, value in (("detect_every", detect_every), ("frames", frames), ("threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be 1 or more, got {value}")
    named = isinstance(source, (str, os.PathLike, list, tuple))
    opened = open_source(cast("Named", source)) if named else cast("Source", source)
    try:
        played = Realtime(opened) if realtime and not opened.live else opened
        return TrackedFrames(played, None if isinstance(engine, PictureEngine) else engine, options, upright, threads)
    except BaseException:
        opened.close()
        raise


class TrackedFrames(Iterator[Result]):
    """Results of a source, in order. Made by :func:`track`.

    Attributes:
        source: that is read; its ``notes`` grow with messages on skipped files and frames.
        report: counts and times so far.
    """

    def __init__(
        self,
        source: Source,
        engine: PoseEngine | None,
        options: FaceOptions,
        upright: Upright | Literal["model"] | None = "model",
        threads: int | None = None,
    ) -> None:
        """
        Args:
            source: frames, read once; closed at the end.
            engine: estimates the poses; None: the embedded model, closed at the end, or the options' whole-picture
                model.
            options: of the run.
            upright: of the embedded model's crops.
            threads: cores to use; None: all.

        Raises:
            HpeEdgeError: see :func:`track`.
        """
        check_tracking(options, source)
        share = share_of(options, threads)
        faces = open_faces(options, source, share.detect_threads)
        self.source = source
        self._owned: PoseEngine | None = None
        if engine is None and options.picture is None:
            engine = self._owned = PoseEngine(threads=share.pose_threads, upright=upright)
            if source.kind == "video":
                engine.warmup(WARMUP_FACES)
        self._left = options.frames
        self._work = _Work(source.live)
        self._work.pipeline = Pipeline(
            source,
            faces.find,
            open_analysis(options, source, engine),
            self._work.take,
            Stopwatch(),
            detect_every=options.detect_every,
            detect_workers=faces.workers(share),
            frame_limit=None if source.live else options.frames,  # results of a live source may be dropped
        )
        self.report: Report = self._work.pipeline.report
        self._thread = threading.Thread(target=self._work.run, name="track", daemon=True)

    def __next__(self) -> Result:
        """Return the next frame's result.

        Raises:
            StopIteration: the source has ended, or this was closed.
            HpeEdgeError: the source, detector or engine failed; results before it were returned.
        """
        if self._thread.ident is None and not self._work.closed:
            self._thread.start()
        got = self._work.results.get() if self._left != 0 else None
        if got is not None:
            if self._left is not None:
                self._left -= 1
            return got[1]
        self.close()
        error, self._work.error = self._work.error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """End the threads and close the source. May be called twice."""
        self._work.closed = True
        self._work.results.close()
        self.source.close()
        if self._thread.ident is not None:
            self._thread.join(_HANGING_S)
        if self._owned is not None and not self._thread.is_alive():
            self._owned.close()

    def __enter__(self) -> TrackedFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_thread"):  # else construction failed, and the caller closes the source
            self.close()


class _Work:
    """The part that the thread holds, without the iterator: so that an abandoned one is collected, and ends it."""

    pipeline: Pipeline

    def __init__(self, live: bool) -> None:
        self.results: ClosableQueue[Result] = ClosableQueue(1 if live else _AHEAD, newest_wins=live)
        self.error: BaseException | None = None
        self.closed = False
        self._number = 0

    def take(self, result: Result, watch: Stopwatch) -> None:
        with watch.waiting():
            self.results.put(self._number, result)
        self._number += 1

    def run(self) -> None:
        try:
            # Signals are the caller's: Ctrl-C interrupts its wait for the next result.
            self.pipeline.run(StopSignals(), lambda: self.closed)
        except BaseException as error:
            self.error = error
        finally:
            self.pipeline.report.dropped += self.results.dropped
            self.results.finish()
