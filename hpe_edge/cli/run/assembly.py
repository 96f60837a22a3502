"""Parts of a run between its options and its outputs: source, faces, engine, pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hpe_edge.cli.intrinsics import read_intrinsics
from hpe_edge.cli.run.run_options import PageOptions, RunOptions
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.picture.picture_engine import PictureEngine
from hpe_edge.picture.split_file import is_picture_file
from hpe_edge.pipeline.core_budget import CoreShare
from hpe_edge.pipeline.frame_step import CameraOf
from hpe_edge.pipeline.opening import FaceOptions, FaceSource, fixed_camera, memory_s, open_analysis
from hpe_edge.pipeline.pipeline import Pipeline, TakeResult
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sources.capture.camera_mode import CameraMode
from hpe_edge.sources.frame import Realtime, Source
from hpe_edge.sources.looped import Looped
from hpe_edge.sources.open_source import open_source
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames

if TYPE_CHECKING:
    from hpe_edge.picture.two_networks import PictureBackend


def open_input(options: RunOptions) -> Source:
    """Open the source of ``hpe-edge run``; errors as :func:`hpe_edge.sources.open_source.open_source`."""
    raw = None if options.raw is None else RawFormat.parse(options.raw, options.pixels or "bgr24")
    mode = CameraMode(options.size, options.fps, options.fourcc)
    given: dict[str, Any] = {name: getattr(options, name) for name in ("sar", "rotate", "mirror", "live")}
    asked = {name: value for name, value in given.items() if value}
    if mode != CameraMode():
        asked["mode"] = mode
    if options.reconnect is not None:
        asked["reconnect_s"] = options.reconnect
    return open_source(options.sources, raw, recursive=options.recursive, **asked)


def open_live_input(options: RunOptions, page: PageOptions) -> Source:
    """Open the source of ``hpe-edge serve``: a file plays at its own speed.

    Raises:
        InputError: it holds pictures, or is to be looped and has no end.
    """
    source = open_input(options)
    try:
        if source.kind != "video":
            raise InputError(
                f"serve shows a video, a camera or a stream; for pictures as {source.name} take hpe-edge run"
            )
        has_end = not source.live and not isinstance(source, RawFrames)
        if page.loop:
            if not has_end:
                raise InputError(f"--loop is for a video file, and {source.name} cannot be read again; leave it out")
            source = Looped(
                source, lambda: open_input(options), memory_s(source, options.detect_every) + 1 / source.fps
            )
        return Realtime(source) if has_end else source
    except BaseException:
        source.close()
        raise


def face_options(options: RunOptions) -> FaceOptions:
    """Return the options that a run shares with :func:`hpe_edge.track`."""
    return FaceOptions(
        detector=options.detector,
        boxes=options.boxes,
        boxes_from=options.boxes_from,
        min_score=options.min_score,
        min_face=options.min_face,
        detect_size=options.detect_size,
        detect_stretch=options.detect_stretch,
        detect_every=options.detect_every,
        track=options.track,
        smooth=options.smooth,
        camera_of=_camera_of(options),
        drop_doubtful=options.drop_doubtful,
        frames=options.frames,
    )


def open_picture_engine(options: RunOptions) -> PictureEngine | None:
    """Open the model if it is a whole-picture model; None if it is another.

    Raises:
        InputError: an option that such a model has no use for; see also :class:`hpe_edge.PictureEngine`.
    """
    if options.model is None or not is_picture_file(options.model):
        return None
    for option, given in (
        ("--precision", options.precision is not None),
        ("--max-sigma", options.max_sigma is not None),
        ("--upright", options.upright not in ("model", "none")),
    ):
        if given:
            raise InputError(
                f"{options.model} is a whole-picture model, for which {option} means nothing; leave it out"
            )
    return PictureEngine(
        options.model,
        device=options.device or "cpu",
        backend=cast("PictureBackend | None", options.backend),
        threads=options.threads,
        min_score=options.min_score,
    )


def open_engine(options: RunOptions, share: CoreShare) -> PoseEngine:
    """Open the model."""
    return PoseEngine(
        options.model,
        device=options.device,
        backend=options.backend,
        threads=share.pose_threads,
        precision=options.precision,
        max_sigma=options.max_sigma,
        upright=None if options.upright == "none" else options.upright,
    )


def build_pipeline(
    options: FaceOptions,
    source: Source,
    faces: FaceSource,
    engine: PoseEngine | None,
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
        detect_workers=faces.workers(share),
        frame_limit=options.frames,
    )


def _camera_of(options: RunOptions) -> CameraOf | None:
    if options.intrinsics is not None:
        return read_intrinsics(options.intrinsics)
    return fixed_camera(options.camera_fov)
