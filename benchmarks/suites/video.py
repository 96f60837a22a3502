"""Suites ``video`` (a whole video, in overlapping threads and in a plain loop) and ``endurance`` (a long run).

In ``video`` both read the same frames, run the same detector and network, draw the same, and encode with the same
codec; faces are not tracked, so that boxes and angles can be compared. Both may use all cores.

``endurance`` checks that memory, threads and files do not grow over a looped video, shrunk to reduce decoding. It runs
the whole pipeline: faces tracked between frames with given boxes, poses filtered, frames annotated, an .mkv and both
kinds of records written.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.load import resident_kb
from benchmarks.harness.suite import BudgetLine, Suite, default_or, model_option, path_option
from benchmarks.harness.timing import FEW_RUNS, Alternative, Answer, Case, Effort, Result, measure
from hpe_edge.engine import PoseEngine
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.pipeline.core_budget import WARMUP_FACES, share_cores
from hpe_edge.pipeline.frame_result import Result as FrameResult
from hpe_edge.pipeline.frame_step import Analysis, find_by
from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.poses import Poses
from hpe_edge.sinks.annotated_video import VideoFile
from hpe_edge.sinks.records import CsvFile, JsonLinesFile
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sources.frame import Frame, Kind
from hpe_edge.sources.open_source import open_source
from hpe_edge.util.cores import usable_cores
from hpe_edge.util.signals import StopSignals

FRAMES, QUICK_FRAMES = 120, 8
WANTED_RATIO = 1.6
TOLERANCES = {"boxes": 0.0, "angles_deg": 1e-2}  # a network with another number of threads adds in another order

LONG, QUICK_LONG = 100_000, 400  # frames
CLIP_FRAMES, WIDTH = 100, 320
SAMPLES, WARM = 100, 0.1  # of the memory, after that share of the frames, when every pool and queue is filled
DETECT_EVERY = 3
GROWTH_LIMIT_KB = 2048  # the allocator's pools move by this; one kept frame in a hundred would be far more
BOXES = np.array([[40, 60, 90, 120], [200, 50, 250, 110]], np.float32)

BoxesPoses = tuple[NDArray[np.float32], Poses]  # of a frame


@dataclass(frozen=True)
class VideoOptions:
    detector: Path = path_option("SCRFD or YuNet", metavar="FILE.onnx")
    video: Path = path_option("with faces")
    model: Path | None = model_option()


class Job:
    """The same work in two implementations."""

    def __init__(self, options: VideoOptions, frames: int, folder: Path) -> None:
        self._video, self._frames, self._out = options.video, frames, folder / "out.mp4"
        share = share_cores(usable_cores(), several_detectors=True)
        self._workers = share.detect_workers
        self._detector = open_detector(options.detector, threads=share.detect_threads)
        model = default_or(options.model)
        self._engine = PoseEngine(model, threads=share.pose_threads)
        self._engine.warmup(WARMUP_FACES)
        self._loop_detector: Detector = open_detector(options.detector, threads=None)
        self._loop_engine = PoseEngine(model)
        self.report = Report(Stopwatch())  # of the pipeline's latest run

    def pipeline(self) -> list[BoxesPoses]:
        """Run in threads, as hpe-edge run does."""
        results: list[BoxesPoses] = []
        source, outputs = open_source(self._video), Outputs()
        outputs.add_picture(VideoFile(self._out, source.fps))

        def take(result: FrameResult, watch: Stopwatch) -> None:
            outputs.write(result, watch)
            results.append((result.boxes, result.poses))

        find, analysis = find_by(self._detector), Analysis(self._engine)
        limits = {"detect_workers": self._workers, "frame_limit": self._frames}
        pipeline = Pipeline(source, find, analysis, take, Stopwatch(), **limits)
        self.report = pipeline.run(StopSignals(), lambda: False)
        outputs.commit()
        return results

    def loop(self) -> list[BoxesPoses]:
        """Run one step after the other."""
        results: list[BoxesPoses] = []
        source = open_source(self._video)
        out = VideoFile(self._out, source.fps)
        for frame in itertools.islice(source, self._frames):
            detections = self._loop_detector(frame.image)
            boxes = detections.boxes
            poses = self._loop_engine(frame.image, detections)
            result = FrameResult(frame, poses)
            drawn = frame.image.copy()
            poses.draw(drawn)
            out.write_picture(result, drawn)
            results.append((boxes, poses))
        out.finish()
        assert out.pending is not None
        out.pending.commit()
        return results


def _answer(results: list[BoxesPoses]) -> Answer:
    return {
        "boxes": np.concatenate([boxes for boxes, _ in results]),
        "angles_deg": np.concatenate([poses.angles for _, poses in results]),
    }


def _run_video(options: VideoOptions, effort: Effort) -> Iterator[Result]:
    frames = QUICK_FRAMES if effort.quick else FRAMES
    cv2.setNumThreads(usable_cores())  # both may use the whole machine
    with tempfile.TemporaryDirectory() as folder:
        job = Job(options, frames, Path(folder))
        alternatives = [
            Alternative("pipeline", "in threads, as hpe-edge run does it", job.pipeline, _answer),
            Alternative("loop", "one after the other in one thread", job.loop, _answer, TOLERANCES),
        ]
        video, detector = options.video.name, options.detector.stem
        parameters: dict[str, str | int] = {"detector": detector, "video": video, "frames": frames}
        yield measure(Case("video", parameters, alternatives), effort if effort.quick else FEW_RUNS)
        job.pipeline()
        yield Result("stages", parameters, figures=_stages(job.report))


def _stages(report: Report) -> dict[str, float | None]:
    """Return each stage's total and percentiles, and the share of each thread's life in work and waits."""
    watch = report.watch
    figures: dict[str, float | None] = {"wall_s": round(report.total_s, 3)}
    for stage, times in watch.stages.items():
        figures[f"{stage}_total_s"] = round(times.total_s, 3)
        figures |= {f"{stage}_p{p}_ms": round(1e3 * times.percentile_s(p), 3) for p in (50, 95, 99)}
    for thread, alive_s in sorted(watch.alive_s.items()):
        known_s = watch.busy_s[thread] + watch.waited_s[thread]
        figures[f"{thread.replace(' ', '_')}_accounted_percent"] = round(100 * known_s / alive_s, 1)
    return figures


def _video_budget(results: Sequence[Result]) -> list[BudgetLine]:
    ratio = results[0].row("loop").ratio.median
    known = [value or 0.0 for name, value in results[1].figures.items() if name.endswith("_accounted_percent")]
    faster, wanted = f"{ratio:.2f} times on {usable_cores()} cores", f">= {WANTED_RATIO:g} times as fast on two cores"
    whole = BudgetLine("the whole pipeline beside a plain loop", wanted, faster, ratio >= WANTED_RATIO)
    what = "work and waits of each thread, against its wall time"
    return [whole, BudgetLine(what, "within 5 %", f"{min(known):g} % or more", min(known) >= 95)]


@dataclass(frozen=True)
class EnduranceOptions:
    video: Path = path_option("any")
    model: Path | None = model_option()


class Looped:
    """A video file, opened again whenever it ends. Implements :class:`hpe_edge.sources.frame.Source`."""

    kind: Kind = "video"
    live = False
    count: int | None = None

    def __init__(self, path: Path, frames: int) -> None:
        self.name, self.notes = path.name, list[str]()
        self.fps = open_source(path).fps
        self._path, self._frames = path, frames

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, renumbered, with times that go on."""
        endless = itertools.chain.from_iterable(open_source(self._path) for _ in itertools.count())
        for index, frame in enumerate(itertools.islice(endless, self._frames)):
            yield replace(frame, index=index, time_s=index / self.fps)

    def close(self) -> None:
        """Do nothing; a file needs no closing."""


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
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else None


def _run_endurance(options: EnduranceOptions, effort: Effort) -> Iterator[Result]:
    frames = QUICK_LONG if effort.quick else LONG
    resident: list[float | None] = []
    with tempfile.TemporaryDirectory() as name, PoseEngine(default_or(options.model), threads=1) as engine:
        folder = Path(name)
        shrunk_clip(options.video, folder / "clip.mp4")
        source = Looped(folder / "clip.mp4", frames)
        threads, files = threading.active_count(), _open_files()
        outputs = Outputs()
        outputs.add_picture(VideoFile(folder / "out.mkv", source.fps))
        outputs.add(CsvFile(folder / "out.csv"))
        outputs.add(JsonLinesFile(folder / "out.jsonl"))

        def take(result: FrameResult, watch: Stopwatch) -> None:
            outputs.write(result, watch)
            if result.frame.index % (frames // SAMPLES) == 0 and result.frame.index >= WARM * frames:
                resident.append(resident_kb())

        def find(frame: Frame) -> Detections:
            return Detections.from_boxes(BOXES, np.ones(len(BOXES), np.float32))

        analysis = Analysis(engine, tracker=Tracker(), smoother=PoseSmoother())
        settings = {"detect_every": DETECT_EVERY, "detect_workers": 2}
        report = Pipeline(source, find, analysis, take, Stopwatch(), **settings).run(StopSignals(), lambda: False)
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
    yield Result("endurance", {"frames": frames, "video": options.video.name}, figures=figures)


def growth_line(what: str, growth_kb: float | None) -> BudgetLine:
    """Judge the growth of the resident memory."""
    found = "not measured" if growth_kb is None else f"{growth_kb:+g} KB"
    met = None if growth_kb is None else growth_kb < GROWTH_LIMIT_KB
    return BudgetLine(what, f"no growth (below {GROWTH_LIMIT_KB} KB)", found, met)


def _endurance_budget(results: Sequence[Result]) -> list[BudgetLine]:
    figures = results[0].figures
    left = (figures["threads_left"], figures["files_left"])
    grown = growth_line(f"resident memory over {figures['frames']:g} frames", figures["growth_kb"])
    return [grown, BudgetLine("threads and files left", "none", f"{left[0]} and {left[1]}", not any(left))]


VIDEO = Suite("video", "a whole video, in threads and in a plain loop", _run_video, VideoOptions, _video_budget)
_ABOUT = "a long run over a looped video: memory, threads, files"
ENDURANCE = Suite("endurance", _ABOUT, _run_endurance, EnduranceOptions, _endurance_budget)
