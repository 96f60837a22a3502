"""Parts of a run between its options and its outputs: source, faces, engine, pipeline."""

from __future__ import annotations

from hpe_edge.cli.intrinsics import read_intrinsics
from hpe_edge.cli.run.run_options import RunOptions
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.pipeline.core_budget import CoreShare
from hpe_edge.pipeline.frame_step import CameraOf
from hpe_edge.pipeline.opening import FaceOptions, Faces, fixed_camera, open_analysis
from hpe_edge.pipeline.pipeline import Pipeline, TakeResult
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sources.frame import Realtime, Source
from hpe_edge.sources.open_source import open_source
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames


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


def face_options(options: RunOptions) -> FaceOptions:
    """Return the options that a run shares with :func:`hpe_edge.track`."""
    return FaceOptions(
        detector=options.detector,
        boxes=options.boxes,
        detect_every=options.detect_every,
        track=options.track,
        smooth=options.smooth,
        camera_of=_camera_of(options),
        frames=options.frames,
    )


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
    options: FaceOptions,
    source: Source,
    faces: Faces,
    engine: PoseEngine,
    share: CoreShare,
    take: TakeResult,
    watch: Stopwatch,
) -> Pipeline:
    """Build the pipeline from the source to ``take``."""
    return Pipeline(
        source,
        faces.find,
        open_analysis(options, source, engine),
        take,
        watch,
        detect_every=options.detect_every,
        detect_workers=share.detect_workers,
        frame_limit=options.frames,
    )


def _camera_of(options: RunOptions) -> CameraOf | None:
    if options.intrinsics is not None:
        return read_intrinsics(options.intrinsics)
    return fixed_camera(options.camera_fov)
