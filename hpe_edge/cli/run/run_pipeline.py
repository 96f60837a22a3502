"""Commands run and serve: open source and outputs, run the pipeline, end the outputs."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.cli.attention_options import check_meter, open_meter
from hpe_edge.cli.run.assembly import (
    build_pipeline,
    face_options,
    open_engine,
    open_input,
    open_live_input,
    open_picture_engine,
)
from hpe_edge.cli.run.messages import Messages, say, supervise
from hpe_edge.cli.run.open_outputs import Shown, open_outputs
from hpe_edge.cli.run.option_checks import check_alternatives, check_names
from hpe_edge.cli.run.run_options import PageOptions, RunOptions
from hpe_edge.cli.run.summary import no_face, summary_json, summary_lines
from hpe_edge.errors import SourceError
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.opencv.lazy import cv2
from hpe_edge.pipeline.core_budget import WARMUP_FACES
from hpe_edge.pipeline.opening import check_picture, check_tracking, open_faces, share_of
from hpe_edge.pipeline.pipeline import Report
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sources.frame import Realtime, Source
from hpe_edge.spec import Upright
from hpe_edge.util.console import counted, show
from hpe_edge.util.signals import StopSignals, signal_name

_POLL_S = 0.1


def run_pipeline(options: RunOptions, page: PageOptions | None = None) -> int:
    """Process a source.

    All options are checked before the first frame is processed.

    Args:
        options: source, model and outputs.
        page: show the results on a live page; a video file then plays at its own speed.

    Returns:
        0; 1 where a camera or stream was lost for good; 128 + N where signal N ended the run of a source that has an
        end.

    Raises:
        HpeEdgeError: see its subclasses; nothing was written unless the message names files.
    """
    if options.threads is not None:
        cv2.setNumThreads(options.threads)
    check_alternatives(options)
    check_names(options)
    meter = open_meter(options)
    picture = open_picture_engine(options)
    of_faces = replace(face_options(options), meter=meter, picture=picture)
    check_picture(of_faces, _picture_option)
    messages = Messages(quiet=options.quiet)
    with contextlib.closing(open_input(options) if page is None else open_live_input(options, page)) as source:
        check_tracking(of_faces, source, lambda name: f"--{name.replace('_', '-')}")
        check_meter(options, source)
        share = share_of(of_faces, options.threads, others=page is not None)
        faces = open_faces(of_faces, source, share.detect_threads)
        watch, outputs = Stopwatch(trace=options.profile is not None), Outputs(options.draw)
        with StopSignals() as stop:  # from the first temporary file to the last
            try:
                shown = open_outputs(outputs, options, page, source, watch, meter, translation=picture is not None)
                messages.follow(source.notes, *outputs.notes)
                if options.model is None:
                    messages.say(f"model: {DEFAULT_NAME}")
                _note_boxes(options, faces.file, messages)
                opened = contextlib.nullcontext() if picture is not None else open_engine(options, share)
                with opened as engine, messages.taking_warnings():
                    upright = None if engine is None else engine.upright
                    _note_upright(upright, faces.file, messages)
                    if engine is not None and source.kind == "video":
                        engine.warmup(WARMUP_FACES)
                    pipeline = build_pipeline(of_faces, source, faces, engine, share, outputs.write, watch)
                    if page is not None and not page.now and isinstance(source, Realtime):
                        messages.say("the video starts when a browser shows the page; --now does not wait")
                        _wait_for_viewer(shown, stop)
                    total = min(filter(None, (source.count, options.frames)), default=None)
                    report = supervise(pipeline, total, messages, shown.window, stop)
                    for note in () if meter is None else meter.notes:
                        messages.note(note)
                return _end(
                    options,
                    source,
                    faces.file,
                    report,
                    upright,
                    outputs,
                    messages,
                    need_faces=page is None,
                    picture=picture is not None,
                )
            finally:
                outputs.discard()


def _picture_option(name: str) -> str:
    return "--camera-fov and --intrinsics" if name == "camera" else f"--{name.replace('_', '-')}"


def _note_boxes(options: RunOptions, boxes: BoxesFile | None, messages: Messages) -> None:
    if boxes is not None and not boxes.of_records and options.boxes_from is None:
        messages.note(
            f"the boxes of {boxes.path} are taken to reach from chin to eyebrows; if a detector drew them, name it: "
            "--boxes-from NAME, or --boxes-from landmarks for those of landmarks"
        )


def _note_upright(upright: Upright | None, boxes: BoxesFile | None, messages: Messages) -> None:
    if upright == "keypoints" and boxes is not None:
        messages.note(f"{boxes.path} has no key points, so no crop is turned upright; --upright second-pass needs none")
    elif upright is not None:
        messages.say(f"crops are turned upright: {upright}")


def _wait_for_viewer(shown: Shown, stop: StopSignals) -> None:
    assert shown.page is not None
    while stop.received is None and not shown.page.wait_for_viewer(_POLL_S):
        if shown.window is not None and shown.window.serve():
            return


def _end(
    options: RunOptions,
    source: Source,
    boxes: BoxesFile | None,
    report: Report,
    upright: Upright | None,
    outputs: Outputs,
    messages: Messages,
    *,
    need_faces: bool,
    picture: bool,
) -> int:
    """Commit the outputs and print the summary; returns the exit status."""
    if boxes is not None and report.outside:
        outside = counted(report.outside, f"box of {boxes.path} lies", f"boxes of {boxes.path} lie")
        guess = "was it" if report.outside == 1 else "were they"
        messages.note(f"{outside} wholly outside the picture; {guess} made at another size?")
    stopped = report.stopped if not source.live else None  # a camera's run has no other end
    if stopped is None and report.faces == 0 and need_faces:
        raise SourceError(no_face(source, boxes, options.detector, report, picture=picture))
    written = outputs.commit() if stopped is None else outputs.keep_partial() if report.frames else []
    messages.flush()
    whole = report.stopped is None and options.frames is None and not report.dropped
    if boxes is not None and boxes.unused and whole:
        unused = counted(boxes.unused, f"box of {boxes.path} belongs", f"boxes of {boxes.path} belong")
        messages.note(f"{unused} to no frame of {source.name}")
    if report.stretched:
        messages.note(f"{counted(report.stretched, 'dark or flat face')} stretched to full contrast before the network")
    files = ", ".join(map(str, written))
    gone = report.stopped is None and getattr(source, "gone", False)
    if options.summary == "json":
        show(summary_json(report, written, upright))
    if stopped is not None:
        kept = f"; they are in {files}" if files else ""
        say(f"stopped by {signal_name(stopped)} after {counted(report.frames, 'frame')}{kept}")
        return 128 + stopped
    if options.summary == "text":
        for line in summary_lines(report):
            messages.say(line)
        if files:
            messages.say(f"wrote {files}")
    if gone:
        say(f"{source.name} is gone; results are complete up to there (--reconnect forever does not give up)")
    return 1 if gone else 0
