"""Commands run and serve: open source and outputs, run the pipeline, print the summary."""

from __future__ import annotations

import contextlib
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
from tqdm import tqdm

from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.camera import Camera
from hpe_edge.cli.intrinsics import read_intrinsics
from hpe_edge.drawing.draw_poses import Style
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError, SourceError
from hpe_edge.faces.boxes_csv import BoxesFile
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.pipeline.core_budget import WARMUP_FACES, CoreShare
from hpe_edge.pipeline.frame_step import CameraOf
from hpe_edge.pipeline.opening import FaceOptions, check_tracking, open_analysis, open_faces, share_of
from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sinks.annotated_images import open_picture_sink
from hpe_edge.sinks.opentrack import OpenTrackUdp
from hpe_edge.sinks.records import CsvFile, JsonLinesFile, Table
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sinks.trace import TraceFile
from hpe_edge.sinks.window import Window
from hpe_edge.sources.frame import Realtime, Source
from hpe_edge.sources.open_source import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_file_name, open_source
from hpe_edge.sources.raw_stdin import PixelFormat, RawFormat, RawFrames
from hpe_edge.util.console import counted
from hpe_edge.util.signals import StopSignals, signal_name


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Arguments of ``hpe-edge run``, which its help describes.

    Attributes:
        source: see :func:`hpe_edge.sources.open_source.open_source`.
        track: track faces across frames; pictures are never tracked.
        threads: cores to use; None for all.
        (others): None or False where the option was not given.
    """

    source: str
    model: Path | None = None
    output: Path | None = None
    draw: Style = "axes"
    csv: Path | None = None
    jsonl: Path | None = None
    show: bool = False
    udp: str | None = None
    profile: Path | None = None
    detector: Path | None = None
    boxes: Path | None = None
    detect_every: int = 1
    track: bool = True
    smooth: bool = False
    camera_fov: float | None = None
    intrinsics: str | None = None
    frames: int | None = None
    raw: str | None = None
    pixels: PixelFormat | None = None
    device: str | None = None
    backend: BackendName | None = None
    precision: Precision | None = None
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Address of the page of ``hpe-edge serve``; see :class:`hpe_edge.live.server.LivePage`."""

    host: str
    port: int
    token: str | None


def run_pipeline(options: RunOptions, page: PageOptions | None = None) -> int:
    """Process a source.

    All options are checked before the first frame is processed.

    Args:
        options: source, model and outputs.
        page: show the results on a live page; a video file then plays at its own speed.

    Returns:
        0, or 128 + N where signal N ended the run of a source that has an end.

    Raises:
        HpeEdgeError: see its subclasses; nothing was written unless the message names files.
    """
    if options.threads is not None:
        cv2.setNumThreads(options.threads)
    _check_alternatives(options)
    _check_names(options)
    raw = None if options.raw is None else RawFormat.parse(options.raw, options.pixels or "bgr24")
    camera_of = _camera_of(options)
    source = open_source(options.source, raw)
    if page is not None:
        source = _as_a_camera(source)
    with contextlib.closing(source):
        check_tracking(_faces(options, camera_of), source, lambda name: f"--{name.replace('_', '-')}")
        faces_options = _faces(options, camera_of)
        share = share_of(faces_options, options.threads)
        faces = open_faces(faces_options, source, share.detect_threads)
        watch, outputs = Stopwatch(trace=options.profile is not None), Outputs(options.draw)
        with StopSignals() as stop:  # from the first temporary file to the last
            try:
                window = _open_outputs(outputs, options, page, source, watch)
                if options.model is None:
                    _print(f"model: {DEFAULT_NAME}")
                with _engine(options, share) as engine:
                    if source.kind == "video":
                        engine.warmup(WARMUP_FACES)
                    pipeline = Pipeline(
                        source,
                        faces.find,
                        open_analysis(faces_options, source, engine),
                        outputs.write,
                        watch,
                        detect_every=options.detect_every,
                        detect_workers=share.detect_workers,
                        frame_limit=options.frames,
                    )
                    report = _process(options, source, pipeline, outputs, window, stop)
                return _end(options, source, faces.file, report, outputs, need_faces=page is None)
            finally:
                outputs.discard()


def _engine(options: RunOptions, share: CoreShare) -> PoseEngine:
    return PoseEngine(
        options.model,
        device=options.device,
        backend=options.backend,
        threads=share.pose_threads,
        precision=options.precision,
    )


def _faces(options: RunOptions, camera_of: CameraOf | None) -> FaceOptions:
    return FaceOptions(
        detector=options.detector,
        boxes=options.boxes,
        detect_every=options.detect_every,
        track=options.track,
        smooth=options.smooth,
        camera_of=camera_of,
        frames=options.frames,
    )


def _as_a_camera(source: Source) -> Source:
    if source.kind != "video":
        source.close()
        raise InputError(f"serve shows a video, a camera or a stream; for pictures as {source.name} take hpe-edge run")
    return source if source.live or isinstance(source, RawFrames) else Realtime(source)


def _open_outputs(
    outputs: Outputs, options: RunOptions, page: PageOptions | None, source: Source, watch: Stopwatch
) -> Window | None:
    if options.output is not None:
        outputs.add_picture(open_picture_sink(options.output, source))
    if options.csv is not None:
        outputs.add(CsvFile(options.csv))
    if options.jsonl is not None:
        outputs.add(JsonLinesFile(options.jsonl))
    if options.udp is not None:
        outputs.add(OpenTrackUdp(options.udp))
    window = Window() if options.show else None
    if window is not None:
        outputs.add_picture(window)
    if page is not None:
        from hpe_edge.live.server import LiveOutput, LivePage

        live = LivePage(page.host, page.port, page.token, style=options.draw)
        outputs.add(LiveOutput(live))
        _print(f"open {live.url} in a browser; Ctrl-C ends it")
    if not outputs:
        outputs.add(Table())
    if options.profile is not None:
        outputs.add(TraceFile(options.profile, watch))
    return window


def _process(
    options: RunOptions,
    source: Source,
    pipeline: Pipeline,
    outputs: Outputs,
    window: Window | None,
    stop: StopSignals,
) -> Report:
    printed = [0] * (1 + len(outputs.notes))
    total = min(filter(None, (source.count, options.frames)), default=None)
    with tqdm(
        total=total, unit="frame", delay=1.0, leave=False, file=sys.stderr, disable=not sys.stderr.isatty()
    ) as bar:

        def tick() -> bool:
            for k, notes in enumerate([source.notes, *outputs.notes]):
                for note in notes[printed[k] :]:
                    _print(f"note: {note}")
                    printed[k] += 1
            bar.update(pipeline.report.frames - bar.n)
            return window is not None and window.serve()

        return pipeline.run(stop, tick)


def _end(
    options: RunOptions,
    source: Source,
    boxes: BoxesFile | None,
    report: Report,
    outputs: Outputs,
    *,
    need_faces: bool,
) -> int:
    """Commit the outputs and print the summary; returns the exit status."""
    if boxes is not None and report.outside:
        outside = counted(report.outside, f"box of {boxes.path} lies", f"boxes of {boxes.path} lie")
        guess = "was it" if report.outside == 1 else "were they"
        _print(f"note: {outside} wholly outside the picture; {guess} made at another size?")
    if report.stopped is not None and not source.live:  # a camera's run has no other end
        return _stopped(report, outputs, report.stopped)
    if report.faces == 0 and need_faces:
        raise SourceError(_no_face(source, boxes, options.detector, report))
    written = outputs.commit()
    whole = report.stopped is None and options.frames is None and not report.dropped
    if boxes is not None and boxes.unused and whole:
        unused = counted(boxes.unused, f"box of {boxes.path} belongs", f"boxes of {boxes.path} belong")
        _print(f"note: {unused} to no frame of {source.name}")
    for line in _summary(report):
        _print(line)
    if written:
        _print(f"wrote {', '.join(map(str, written))}")
    return 0


def _summary(report: Report) -> list[str]:
    """Return lines: counts and rate, the time of each stage, and the wall time of each thread."""
    rate = report.frames / report.total_s if report.total_s > 0 else 0.0
    done = f"{counted(report.frames, 'frame')}, {counted(report.faces, 'face')}"
    lines = [f"{done} in {report.total_s:.2f} s: {rate:.1f} frames per second"]
    if report.dropped:
        lines.append(f"{counted(report.dropped, 'frame')} of the live source dropped, for the newest")
    watch = report.watch
    lines.append(f"{'stage':<8} {'total':>10} {'p50':>9} {'p95':>9} {'p99':>9} {'alone':>9}")
    for stage, times in watch.stages.items():
        percentiles = " ".join(f"{times.percentile_s(p) * 1000:6.2f} ms" for p in (50, 95, 99))
        alone = times.count / max(times.total_s, 1e-9)
        lines.append(f"{stage:<8} {times.total_s:8.2f} s {percentiles} {alone:5.0f} / s")
    lines.append(f"{'thread':<8} {'worked':>10} {'waited':>9} {'else':>9}")
    for thread, alive_s in sorted(watch.alive_s.items()):
        busy_s, waited_s = watch.busy_s[thread], watch.waited_s[thread]
        rest_s = max(0.0, alive_s - busy_s - waited_s)
        lines.append(f"{thread:<8} {busy_s:8.2f} s {waited_s:7.2f} s {rest_s:7.2f} s")
    return lines


def _stopped(report: Report, outputs: Outputs, by: signal.Signals) -> int:
    kept = outputs.keep_partial() if report.frames else []
    where = f"; they are in {', '.join(map(str, kept))}" if kept else ""
    _print(f"stopped by {signal_name(by)} after {counted(report.frames, 'frame')}{where}")
    return 128 + by


def _check_alternatives(options: RunOptions) -> None:
    given = {
        "--boxes": options.boxes is not None,
        "--detector": options.detector is not None,
        "--detect-every": options.detect_every > 1,
        "--camera-fov": options.camera_fov is not None,
        "--intrinsics": options.intrinsics is not None,
    }
    for one, other in (("--boxes", "--detector"), ("--boxes", "--detect-every"), ("--camera-fov", "--intrinsics")):
        if given[one] and given[other]:
            raise InputError(f"{one} and {other} exclude each other; leave one out")
    if options.raw is None and options.pixels is not None:
        raise InputError("--pixels is the format of --raw frames; give --raw WxH@FPS as well")


def _check_names(options: RunOptions) -> None:
    """Refuse an output that is an input or another output, and records with a picture's or video's extension."""
    taken = {"--model": options.model, "--boxes": options.boxes, "--detector": options.detector}
    if is_file_name(options.source):
        taken["SOURCE"] = Path(options.source)
    elif options.source.startswith("file://"):
        taken["SOURCE"] = Path(unquote(urlsplit(options.source).path))
    if options.intrinsics is not None:
        taken["--intrinsics"] = Path(options.intrinsics)
    for option, path in (
        ("-o", options.output),
        ("--csv", options.csv),
        ("--jsonl", options.jsonl),
        ("--profile", options.profile),
    ):
        if path is None:
            continue
        for other, name in taken.items():
            if name is not None and _same(path, name):
                raise InputError(f"{option} and {other} name the same file {path}; choose another name for {option}")
        taken[option] = path
        if option in ("--csv", "--jsonl") and path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES:
            raise InputError(f"{option} writes text, got the name {path} of a picture or video; did you mean -o?")


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))


def _camera_of(options: RunOptions) -> CameraOf | None:
    if options.intrinsics is not None:
        return read_intrinsics(options.intrinsics)
    fov_deg = options.camera_fov
    return None if fov_deg is None else lambda width, height: Camera.from_fov(width, height, fov_deg)


def _no_face(source: Source, boxes: BoxesFile | None, detector: Path | None, report: Report) -> str:
    if boxes is not None:
        return (
            f"no box of {boxes.path} belongs to {source.name}, so nothing was written; pictures are matched by the "
            "column file, frames of a video by the column frame (from 0), and by file as well if there is one"
        )
    why = f"no face was found in {source.name} ({counted(report.frames, 'frame')}), so nothing was written; "
    if detector is not None:
        return f"{why}try another detector than {detector.name}, or give boxes: --boxes FILE"
    return (
        f"{why}the built-in detector finds upright, roughly frontal faces from 38 pixels on (in 720p); for others use "
        "--detector FILE, or give boxes: --boxes FILE"
    )


def _print(message: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone (SIGHUP); keep the results
        tqdm.write(f"hpe-edge: {message}", file=sys.stderr)  # goes above a progress bar
