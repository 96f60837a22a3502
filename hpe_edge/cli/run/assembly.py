"""Parts of a run between its options and its outputs: source, face finder, engine, analysis, pipeline."""

from __future__ import annotations

import os

from hpe_edge.camera import Camera
from hpe_edge.cli.intrinsics import read_intrinsics
from hpe_edge.cli.run.run_options import RunOptions
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.faces.boxes_csv import BoxesFile
from hpe_edge.faces.haar import HaarDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.pipeline.core_budget import CoreShare, share_cores
from hpe_edge.pipeline.frame_result import FindFaces
from hpe_edge.pipeline.frame_step import Analysis, CameraOf, find_by, find_in
from hpe_edge.pipeline.pipeline import Pipeline, TakeResult
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sources.frame import Realtime, Source
from hpe_edge.sources.open_source import open_source
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames

_MEMORY_S = 1.0
_SLOWEST_LIVE_FPS = 5.0  # lowest processing rate that is assumed for a live source


def open_input(options: RunOptions) -> Source:
    """Open the source of ``hpe-edge run``; errors as :func:`hpe_edge.sources.open_source.open_source`."""
    raw = None if options.raw is None else RawFormat.parse(options.raw, options.pixels or "bgr24")
    return open_source(options.source, raw)


def as_a_camera(source: Source) -> Source:
    """Return the source as the live page shows it: a file plays at its own speed.

    Raises:
        InputError: it holds pictures; it was closed.
    """
    if source.kind != "video":
        source.close()
        raise InputError(f"serve shows a video, a camera or a stream; for pictures as {source.name} take hpe-edge run")
    return source if source.live or isinstance(source, RawFrames) else Realtime(source)


def core_share(options: RunOptions) -> CoreShare:
    """Distribute the cores of the run."""
    cores = options.threads or len(os.sched_getaffinity(0))
    return share_cores(cores, several_detectors=options.detector is not None)


def camera_of(options: RunOptions) -> CameraOf | None:
    """Return the intrinsics by frame size; None without camera options."""
    if options.intrinsics is not None:
        return read_intrinsics(options.intrinsics)
    fov_deg = options.camera_fov
    return None if fov_deg is None else lambda width, height: Camera.from_fov(width, height, fov_deg)


def face_finder(options: RunOptions, boxes: BoxesFile | None, threads: int) -> FindFaces:
    """Open the detector, of so many threads, unless there are boxes."""
    if boxes is not None:
        return find_in(boxes)
    return find_by(HaarDetector() if options.detector is None else open_detector(options.detector, threads=threads))


def open_engine(options: RunOptions, share: CoreShare) -> PoseEngine:
    """Open the model."""
    return PoseEngine(
        options.model,
        device=options.device,
        backend=options.backend,
        threads=share.pose_threads,
        precision=options.precision,
    )


def build_pipeline(
    options: RunOptions,
    source: Source,
    find: FindFaces,
    engine: PoseEngine,
    camera: CameraOf | None,
    share: CoreShare,
    take: TakeResult,
    watch: Stopwatch,
) -> Pipeline:
    """Build the pipeline from the source to ``take``."""
    memory_s = _memory_s(source, options.detect_every)
    analysis = Analysis(
        engine,
        tracker=Tracker(survive_s=memory_s) if source.kind == "video" and options.track else None,
        smoother=PoseSmoother(forget_s=memory_s) if options.smooth else None,
        camera_of=camera,
        keep_boxes=options.boxes is not None,
    )
    return Pipeline(
        source,
        find,
        analysis,
        take,
        watch,
        detect_every=options.detect_every,
        detect_workers=share.detect_workers,
        frame_limit=options.frames,
    )


def _memory_s(source: Source, detect_every: int) -> float:
    """Return how long a face may be undetected: two missed detections, and at least a second."""
    if source.kind != "video":
        return _MEMORY_S
    # Frames of a live source may be dropped, so its rate is an upper bound.
    fps = min(source.fps, _SLOWEST_LIVE_FPS) if source.live else source.fps
    return max(_MEMORY_S, 2.5 * detect_every / fps)
