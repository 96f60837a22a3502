"""The suite ``endurance``: a long run over a looped video leaves memory, threads and files as they were.

The video is shrunk first, so that decoding it again and again takes little of the time. All of the pipeline is at work:
faces followed between frames in which they are given, poses filtered, the picture annotated, an .mkv and both kinds of
records written.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness.memory import resident_kb
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.models import add_model_option, default_or
from hpe_edge import PoseEngine
from hpe_edge.faces.detector import Detections
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.pipeline.frame_result import Result as Poses
from hpe_edge.pipeline.frame_step import Analysis
from hpe_edge.pipeline.pipeline import Pipeline
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sinks.annotated_video import VideoFile
from hpe_edge.sinks.records import CsvFile, JsonLinesFile
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sources.frame import Frame, Kind
from hpe_edge.sources.open_source import open_source
from hpe_edge.util.signals import StopSignals

FRAMES, QUICK_FRAMES = 100_000, 400
CLIP_FRAMES, WIDTH = 100, 320
SAMPLES = 100  # of the resident memory
WARM = 0.1  # of the frames, until every pool and queue is filled
DETECT_EVERY = 3
GROWTH_LIMIT_KB = 2048  # the allocator's pools move by this; one kept frame in a hundred would be far more
BOXES = np.array([[40, 60, 90, 120], [200, 50, 250, 110]], np.float32)


class Looped:
    """A video file, opened again whenever it ends. Implements :class:`hpe_edge.sources.frame.Source`."""

    kind: Kind = "video"
    live = False
    count: int | None = None

    def __init__(self, path: Path, frames: int) -> None:
        """
        Args:
            path: the file.
            frames: where it ends.
        """
        self.name, self.notes = path.name, list[str]()
        self.fps = open_source(path).fps
        self._path, self._frames = path, frames

    def __iter__(self) -> Iterator[Frame]:
        """The frames, renumbered, with times that go on."""
        endless = itertools.chain.from_iterable(open_source(self._path) for _ in itertools.count())
        for index, frame in enumerate(itertools.islice(endless, self._frames)):
            yield replace(frame, index=index, time_s=index / self.fps)

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`; a file keeps nobody waiting."""


def shrunk_clip(video: Path, to: Path) -> None:
    """Write the first frames at a small size."""
    source = open_source(video)
    writer: cv2.VideoWriter | None = None
    for frame in itertools.islice(source, CLIP_FRAMES):
        height = round(frame.image.shape[0] * WIDTH / frame.image.shape[1] / 2) * 2
        writer = writer or cv2.VideoWriter(str(to), cv2.VideoWriter.fourcc(*"mp4v"), source.fps, (WIDTH, height))
        writer.write(cv2.resize(frame.image, (WIDTH, height), interpolation=cv2.INTER_AREA))
    if writer is not None:
        writer.release()


def _open_files() -> int | None:
    descriptors = Path("/proc/self/fd")
    return len(list(descriptors.iterdir())) if descriptors.is_dir() else None


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--video", type=Path, metavar="FILE", required=True, help="any")


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    frames = QUICK_FRAMES if args.quick else FRAMES
    resident: list[float | None] = []
    with tempfile.TemporaryDirectory() as name, PoseEngine(default_or(args.model), threads=1) as engine:
        folder = Path(name)
        shrunk_clip(args.video, folder / "clip.mp4")
        source = Looped(folder / "clip.mp4", frames)
        threads, files = threading.active_count(), _open_files()
        outputs = Outputs()
        outputs.add_picture(VideoFile(folder / "out.mkv", source.fps))
        outputs.add(CsvFile(folder / "out.csv"))
        outputs.add(JsonLinesFile(folder / "out.jsonl"))

        def take(result: Poses, watch: Stopwatch) -> None:
            outputs.write(result, watch)
            if result.frame.index % (frames // SAMPLES) == 0 and result.frame.index >= WARM * frames:
                resident.append(resident_kb())

        pipeline = Pipeline(
            source,
            lambda frame: Detections.from_boxes(BOXES, np.ones(len(BOXES), np.float32)),
            Analysis(engine, tracker=Tracker(), smoother=PoseSmoother()),
            take,
            Stopwatch(),
            detect_every=DETECT_EVERY,
            detect_workers=2,
        )
        report = pipeline.run(StopSignals(), lambda: False)
        outputs.commit()
        files_after, threads_after = _open_files(), threading.active_count()
        lines = sum(1 for _ in (folder / "out.jsonl").open())
    known = [kb for kb in resident if kb is not None]
    quarters = [float(np.median(part)) for part in np.array_split(known, 4)] if len(known) == len(resident) else []
    figures: dict[str, float | None] = {
        "frames": report.frames,
        "faces": report.faces,
        "json_lines": lines,
        "frames_per_second": round(report.frames / report.total_s, 1),
        "resident_first_quarter_kb": quarters[0] if quarters else None,
        "resident_last_quarter_kb": quarters[-1] if quarters else None,
        "growth_kb": quarters[-1] - quarters[0] if quarters else None,
        "threads_left": threads_after - threads,
        "files_left": None if files is None or files_after is None else files_after - files,
    }
    yield Result("endurance", {"frames": frames, "video": args.video.name}, figures=figures)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    figures = results[0].figures
    growth = figures["growth_kb"]
    left = (figures["threads_left"], figures["files_left"])
    return [
        BudgetLine(
            f"resident memory over {figures['frames']:g} frames",
            f"no growth (below {GROWTH_LIMIT_KB} KB)",
            "not measured" if growth is None else f"{growth:+g} KB",
            None if growth is None else growth < GROWTH_LIMIT_KB,
        ),
        BudgetLine("threads and files left", "none", f"{left[0]} and {left[1]}", not any(left)),
    ]


SUITE = Suite("endurance", "a long run over a looped video: memory, threads, files", _add_arguments, _run, _budget)
