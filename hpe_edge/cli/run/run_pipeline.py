"""Commands run and serve: open source and outputs, run the pipeline, end the outputs."""

from __future__ import annotations

import contextlib
import signal

import cv2

from hpe_edge.cli.run.assembly import as_a_camera, build_pipeline, face_options, open_engine, open_input
from hpe_edge.cli.run.messages import say, supervise
from hpe_edge.cli.run.open_outputs import open_outputs
from hpe_edge.cli.run.option_checks import check_alternatives, check_names
from hpe_edge.cli.run.run_options import PageOptions, RunOptions
from hpe_edge.cli.run.summary import no_face, summary_lines
from hpe_edge.errors import SourceError
from hpe_edge.faces.boxes_csv import BoxesFile
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.pipeline.core_budget import WARMUP_FACES
from hpe_edge.pipeline.opening import check_tracking, open_faces, share_of
from hpe_edge.pipeline.pipeline import Report
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sources.frame import Source
from hpe_edge.util.console import counted
from hpe_edge.util.signals import StopSignals, signal_name


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
    check_alternatives(options)
    check_names(options)
    faces_options = face_options(options)
    source = open_input(options)
    if page is not None:
        source = as_a_camera(source)
    with contextlib.closing(source):
        check_tracking(faces_options, source, lambda name: f"--{name.replace('_', '-')}")
        share = share_of(faces_options, options.threads)
        faces = open_faces(faces_options, source, share.detect_threads)
        watch, outputs = Stopwatch(trace=options.profile is not None), Outputs(options.draw)
        with StopSignals() as stop:  # from the first temporary file to the last
            try:
                window = open_outputs(outputs, options, page, source, watch)
                if options.model is None:
                    say(f"model: {DEFAULT_NAME}")
                with open_engine(options, share) as engine:
                    if source.kind == "video":
                        engine.warmup(WARMUP_FACES)
                    pipeline = build_pipeline(faces_options, source, faces, engine, share, outputs.write, watch)
                    report = supervise(pipeline, source, outputs, window, stop, options.frames)
                return _end(options, source, faces.file, report, outputs, need_faces=page is None)
            finally:
                outputs.discard()


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
        say(f"note: {outside} wholly outside the picture; {guess} made at another size?")
    if report.stopped is not None and not source.live:  # a camera's run has no other end
        return _stopped(report, outputs, report.stopped)
    if report.faces == 0 and need_faces:
        raise SourceError(no_face(source, boxes, options.detector, report))
    written = outputs.commit()
    whole = report.stopped is None and options.frames is None and not report.dropped
    if boxes is not None and boxes.unused and whole:
        unused = counted(boxes.unused, f"box of {boxes.path} belongs", f"boxes of {boxes.path} belong")
        say(f"note: {unused} to no frame of {source.name}")
    for line in summary_lines(report):
        say(line)
    if written:
        say(f"wrote {', '.join(map(str, written))}")
    return 0


def _stopped(report: Report, outputs: Outputs, by: signal.Signals) -> int:
    kept = outputs.keep_partial() if report.frames else []
    where = f"; they are in {', '.join(map(str, kept))}" if kept else ""
    say(f"stopped by {signal_name(by)} after {counted(report.frames, 'frame')}{where}")
    return 128 + by
