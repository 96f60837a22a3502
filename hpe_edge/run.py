"""The command ``hpe-edge run``: opens everything, works through the source, and says what came of it."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hpe_edge.boxes_file import BoxesFile
from hpe_edge.console import counted
from hpe_edge.detect import HaarDetector
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError, SourceError
from hpe_edge.pipeline import FindFaces, Report, StopSignals, run
from hpe_edge.poses import Poses
from hpe_edge.records import CsvFile, JsonLinesFile
from hpe_edge.sinks import Outputs, open_picture_sink
from hpe_edge.table import Table
from hpe_edge.video import PICTURE_SUFFIXES, VIDEO_SUFFIXES, Frame, Source, open_source


def run_command(args: argparse.Namespace) -> int:
    """Do what ``hpe-edge run`` was asked for; returns the exit status.

    Everything that can be wrong with the arguments is found before the first frame is worked on.
    """
    if args.threads is not None:
        cv2.setNumThreads(args.threads)
    _check_names(args)
    source = open_source(args.source)
    boxes = None if args.boxes is None else BoxesFile(args.boxes, source.kind)
    find = _haar() if boxes is None else boxes
    outputs = Outputs()
    with StopSignals() as stop:  # from the first temporary file to the last
        try:
            _open_outputs(outputs, args, source)
            with PoseEngine(args.model, device=args.device, threads=args.threads) as engine:
                return _run(source, find, engine, outputs, stop)
        finally:
            outputs.discard()


def _run(source: Source, find: FindFaces, engine: PoseEngine, outputs: Outputs, stop: StopSignals) -> int:
    said = 0
    with tqdm(
        total=source.count, unit="frame", delay=1.0, leave=False, file=sys.stderr, disable=not sys.stderr.isatty()
    ) as bar:

        def take(frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
            nonlocal said
            outputs.write(frame, boxes, poses)
            said = _say_notes(source, said)
            bar.update()

        report = run(source, find, engine, take, stop)
        _say_notes(source, said)
        if isinstance(find, BoxesFile) and report.outside:
            outside = counted(report.outside, f"box of {find.path} lies", f"boxes of {find.path} lie")
            guess = "was it" if report.outside == 1 else "were they"
            _say(f"note: {outside} wholly outside the picture; {guess} made at another size?")
        if report.stopped is not None:
            return _stopped(report, outputs, report.stopped)
        if report.faces == 0:
            raise SourceError(_no_face(source, find, report))
        written = outputs.commit()
    if isinstance(find, BoxesFile) and find.unused:
        unused = counted(find.unused, f"box of {find.path} belongs", f"boxes of {find.path} belong")
        _say(f"note: {unused} to no frame of {source.path}")
    _say_summary(report)
    if written:
        _say(f"wrote {', '.join(map(str, written))}")
    return 0


def _stopped(report: Report, outputs: Outputs, by: signal.Signals) -> int:
    kept = outputs.keep_partial() if report.frames else []
    where = f"; they are in {', '.join(map(str, kept))}" if kept else ""
    name = "Ctrl-C" if by is signal.SIGINT else by.name
    _say(f"stopped by {name} after {counted(report.frames, 'frame')}{where}")
    return 128 + by


def _open_outputs(outputs: Outputs, args: argparse.Namespace, source: Source) -> None:
    if args.output is not None:
        outputs.add(open_picture_sink(args.output, source))
    if args.csv is not None:
        outputs.add(CsvFile(args.csv))
    if args.jsonl is not None:
        outputs.add(JsonLinesFile(args.jsonl))
    if not outputs:
        outputs.add(Table())


def _check_names(args: argparse.Namespace) -> None:
    """No output may be an input or another output, nor may records go where a picture or video would be expected."""
    taken = {"SOURCE": args.source, "--model": args.model, "--boxes": args.boxes}
    for option, path in (("-o", args.output), ("--csv", args.csv), ("--jsonl", args.jsonl)):
        if path is None:
            continue
        for other, name in taken.items():
            if name is not None and _same(path, name):
                raise InputError(f"{option} and {other} name the same file {path}; choose another name for {option}")
        taken[option] = path
        if option != "-o" and path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES:
            raise InputError(f"{option} writes text, got the name {path} of a picture or video; did you mean -o?")


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))


def _haar() -> FindFaces:
    detector = HaarDetector()
    return lambda frame: detector.landmark_boxes(detector(frame.image))


def _no_face(source: Source, find: FindFaces, report: Report) -> str:
    if isinstance(find, BoxesFile):
        return (
            f"no box of {find.path} belongs to {source.path}, so nothing was written; pictures are matched by the "
            "column file, frames of a video by the column frame (from 0), and by file as well if there is one"
        )
    return (
        f"no face was found in {source.path} ({counted(report.frames, 'frame')}), so nothing was written; the built-in "
        "detector sees upright, roughly frontal faces that are not too small (38 pixels in 720p); for others bring the "
        "boxes of your own detector: --boxes FILE"
    )


def _say_notes(source: Source, said: int) -> int:
    for note in source.notes[said:]:
        _say(f"note: {note}")
    return len(source.notes)


def _say_summary(report: Report) -> None:
    rate = report.frames / report.total_s if report.total_s > 0 else 0.0
    done = f"{counted(report.frames, 'frame')}, {counted(report.faces, 'face')}"
    _say(f"{done} in {report.total_s:.2f} s: {rate:.1f} frames per second")
    _say(", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in report.seconds.items()))


def _say(message: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone (SIGHUP), which is no reason to lose results
        tqdm.write(f"hpe-edge: {message}", file=sys.stderr)  # goes above a progress bar
