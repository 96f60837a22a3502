"""The commands run and serve: open everything, work through the source, and say what came of it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
from tqdm import tqdm

from hpe_edge.camera import Camera
from hpe_edge.cli.intrinsics import read_intrinsics
from hpe_edge.cli.summary import summary
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError, SourceError
from hpe_edge.faces.boxes_csv import BoxesFile
from hpe_edge.faces.haar import HaarDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.pipeline.core_budget import WARMUP_FACES, share_cores
from hpe_edge.pipeline.frame_result import FindFaces
from hpe_edge.pipeline.frame_step import Analysis, CameraOf, find_by, find_in
from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sinks.annotated_images import open_picture_sink
from hpe_edge.sinks.opentrack import OpenTrackUdp
from hpe_edge.sinks.records import CsvFile, JsonLinesFile, Table
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sinks.trace import TimelineFile
from hpe_edge.sinks.window import Window
from hpe_edge.sources.frame import Realtime, Source
from hpe_edge.sources.open_source import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_file_name, open_source
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames
from hpe_edge.util.console import counted
from hpe_edge.util.signals import StopSignals

_MEMORY_S = 1.0
_SLOWEST_LIVE_FPS = 5.0  # below it --detect-every is of no use


def run_command(args: argparse.Namespace) -> int:
    """Do what ``hpe-edge run`` or ``hpe-edge serve`` was asked for; returns the exit status.

    Everything that can be wrong with the arguments is found before the first frame is worked on.
    """
    if args.threads is not None:
        cv2.setNumThreads(args.threads)
    _check_names(args)
    if args.raw is None and args.pixels is not None:
        raise InputError("--pixels says what --raw frames hold; give --raw WxH@FPS as well")
    raw = None if args.raw is None else RawFormat.parse(args.raw, args.pixels or "bgr24")
    camera_of = _camera_of(args)
    source = open_source(args.source, raw)
    if args.command == "serve":
        source = _as_a_camera(source)
    with contextlib.closing(source):
        _check_video_options(args, source)
        cores = args.threads or len(os.sched_getaffinity(0))
        share = share_cores(cores, several_detectors=args.detector is not None)
        boxes = None if args.boxes is None else BoxesFile(args.boxes, source.kind)
        find = _find(args, boxes, share.detect_threads)
        watch, outputs = Stopwatch(), Outputs(args.draw)
        with StopSignals() as stop:  # from the first temporary file to the last
            try:
                window = _open_outputs(outputs, args, source, watch)
                if args.model is None:
                    _say(f"model: {DEFAULT_NAME}")
                with PoseEngine(
                    args.model,
                    device=args.device,
                    backend=args.backend,
                    threads=share.pose_threads,
                    precision=args.precision,
                ) as engine:
                    if source.kind == "video":
                        engine.warmup(WARMUP_FACES)
                    memory_s = _memory_s(source, args.detect_every)
                    analysis = Analysis(
                        engine,
                        tracker=Tracker(survive_s=memory_s) if source.kind == "video" and not args.no_track else None,
                        smoother=PoseSmoother(forget_s=memory_s) if args.smooth else None,
                        camera_of=camera_of,
                        keep_boxes=boxes is not None,
                    )
                    pipeline = Pipeline(
                        source,
                        find,
                        analysis,
                        outputs.write,
                        watch,
                        detect_every=args.detect_every,
                        detect_workers=share.detect_workers,
                        frame_limit=args.frames,
                    )
                    report = _work_through(args, source, pipeline, outputs, window, stop)
                return _end(args, source, boxes, report, outputs)
            finally:
                outputs.discard()


def _as_a_camera(source: Source) -> Source:
    if source.kind != "video":
        source.close()
        raise InputError(f"serve shows a video, a camera or a stream; for pictures as {source.name} take hpe-edge run")
    return source if source.live or isinstance(source, RawFrames) else Realtime(source)


def _open_outputs(outputs: Outputs, args: argparse.Namespace, source: Source, watch: Stopwatch) -> Window | None:
    if args.output is not None:
        outputs.add_picture(open_picture_sink(args.output, source))
    if args.csv is not None:
        outputs.add(CsvFile(args.csv))
    if args.jsonl is not None:
        outputs.add(JsonLinesFile(args.jsonl))
    if args.udp is not None:
        outputs.add(OpenTrackUdp(args.udp))
    window = Window() if args.show else None
    if window is not None:
        outputs.add_picture(window)
    if args.command == "serve":
        from hpe_edge.live.server import LiveOutput, LivePage

        page = LivePage(args.host, args.port, args.token, style=args.draw)
        outputs.add(LiveOutput(page))
        _say(f"open {page.url} in a browser; Ctrl-C ends it")
    if not outputs:
        outputs.add(Table())
    if args.profile is not None:
        outputs.add(TimelineFile(args.profile, watch))
    return window


def _memory_s(source: Source, detect_every: int) -> float:
    """How long a face may be out of sight: through two searches that miss it, and a second at least."""
    if source.kind != "video":
        return _MEMORY_S
    # Of a live source frames are left out, so fewer are worked on than it says.
    fps = min(source.fps, _SLOWEST_LIVE_FPS) if source.live else source.fps
    return max(_MEMORY_S, 2.5 * detect_every / fps)


def _work_through(
    args: argparse.Namespace,
    source: Source,
    pipeline: Pipeline,
    outputs: Outputs,
    window: Window | None,
    stop: StopSignals,
) -> Report:
    said = [0] * (1 + len(outputs.notes))
    total = min(filter(None, (source.count, args.frames)), default=None)
    with tqdm(
        total=total, unit="frame", delay=1.0, leave=False, file=sys.stderr, disable=not sys.stderr.isatty()
    ) as bar:

        def tick() -> bool:
            for k, notes in enumerate([source.notes, *outputs.notes]):
                for note in notes[said[k] :]:
                    _say(f"note: {note}")
                    said[k] += 1
            bar.update(pipeline.report.frames - bar.n)
            return window is not None and window.serve()

        return pipeline.run(stop, tick)


def _end(args: argparse.Namespace, source: Source, boxes: BoxesFile | None, report: Report, outputs: Outputs) -> int:
    """Keep what was written and sum up; returns the exit status."""
    if boxes is not None and report.outside:
        outside = counted(report.outside, f"box of {boxes.path} lies", f"boxes of {boxes.path} lie")
        guess = "was it" if report.outside == 1 else "were they"
        _say(f"note: {outside} wholly outside the picture; {guess} made at another size?")
    if report.stopped is not None and not source.live:  # a camera's run has no other end
        return _stopped(report, outputs, report.stopped)
    if report.faces == 0 and args.command == "run":
        raise SourceError(_no_face(source, boxes, args.detector, report))
    written = outputs.commit()
    whole = report.stopped is None and args.frames is None and not report.dropped
    if boxes is not None and boxes.unused and whole:
        unused = counted(boxes.unused, f"box of {boxes.path} belongs", f"boxes of {boxes.path} belong")
        _say(f"note: {unused} to no frame of {source.name}")
    for line in summary(report):
        _say(line)
    if written:
        _say(f"wrote {', '.join(map(str, written))}")
    return 0


def _stopped(report: Report, outputs: Outputs, by: signal.Signals) -> int:
    kept = outputs.keep_partial() if report.frames else []
    where = f"; they are in {', '.join(map(str, kept))}" if kept else ""
    name = "Ctrl-C" if by is signal.SIGINT else by.name
    _say(f"stopped by {name} after {counted(report.frames, 'frame')}{where}")
    return 128 + by


def _check_names(args: argparse.Namespace) -> None:
    """No output may be an input or another output, nor may records go where a picture or video would be expected."""
    taken = {"--model": args.model, "--boxes": args.boxes, "--detector": args.detector}
    if is_file_name(args.source):
        taken["SOURCE"] = Path(args.source)
    elif args.source.startswith("file://"):
        taken["SOURCE"] = Path(unquote(urlsplit(args.source).path))
    if args.intrinsics is not None:
        taken["--intrinsics"] = Path(args.intrinsics)
    for option, path in (
        ("-o", args.output),
        ("--csv", args.csv),
        ("--jsonl", args.jsonl),
        ("--profile", args.profile),
    ):
        if path is None:
            continue
        for other, name in taken.items():
            if name is not None and _same(path, name):
                raise InputError(f"{option} and {other} name the same file {path}; choose another name for {option}")
        taken[option] = path
        if option in ("--csv", "--jsonl") and path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES:
            raise InputError(f"{option} writes text, got the name {path} of a picture or video; did you mean -o?")


def _check_video_options(args: argparse.Namespace, source: Source) -> None:
    """Following faces over time needs time, and what needs followed faces needs them."""
    for option, wanted in (("--smooth", args.smooth), ("--detect-every", args.detect_every > 1)):
        if not wanted:
            continue
        if source.kind != "video":
            raise InputError(f"{option} needs a video, because it follows faces over time; {source.name} is none")
        if args.no_track:
            raise InputError(f"{option} follows faces from frame to frame; leave out --no-track")


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))


def _camera_of(args: argparse.Namespace) -> CameraOf | None:
    if args.intrinsics is not None:
        return read_intrinsics(args.intrinsics)
    fov_deg = args.camera_fov
    return None if fov_deg is None else lambda width, height: Camera.from_fov(width, height, fov_deg)


def _find(args: argparse.Namespace, boxes: BoxesFile | None, threads: int) -> FindFaces:
    if boxes is not None:
        return find_in(boxes)
    return find_by(HaarDetector() if args.detector is None else open_detector(args.detector, threads=threads))


def _no_face(source: Source, boxes: BoxesFile | None, detector: Path | None, report: Report) -> str:
    if boxes is not None:
        return (
            f"no box of {boxes.path} belongs to {source.name}, so nothing was written; pictures are matched by the "
            "column file, frames of a video by the column frame (from 0), and by file as well if there is one"
        )
    why = f"no face was found in {source.name} ({counted(report.frames, 'frame')}), so nothing was written; "
    if detector is not None:
        return f"{why}are there faces that {detector.name} can see? The boxes of another one can be given: --boxes FILE"
    return (
        f"{why}the built-in detector sees upright, roughly frontal faces that are not too small (38 pixels in 720p); "
        "for others name a better one, --detector FILE, or bring the boxes of your own: --boxes FILE"
    )


def _say(message: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone (SIGHUP), which is no reason to lose results
        tqdm.write(f"hpe-edge: {message}", file=sys.stderr)  # goes above a progress bar
