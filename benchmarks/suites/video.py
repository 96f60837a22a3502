"""The suite ``video``: a whole video, from its file to an annotated one, in overlapping threads and in a plain loop.

Both read the same frames and run the same detector and network on them, draw the same, and encode with the same codec;
faces are not followed, so that boxes and angles can be compared. Both may use all cores: the loop does one after the
other and leaves the number of threads to ONNX Runtime; the pipeline shares the cores out as ``hpe-edge run`` does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.models import add_model_option, default_or
from hpe_edge import PoseEngine
from hpe_edge.drawing.draw_poses import draw_poses
from hpe_edge.faces.detector import Detector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.faces.tracker import NO_ID
from hpe_edge.pipeline.core_budget import WARMUP_FACES, share_cores
from hpe_edge.pipeline.frame_result import Result as FrameResult
from hpe_edge.pipeline.frame_step import Analysis, find_by
from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.poses import Poses
from hpe_edge.sinks.annotated_video import VideoFile
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sources.open_source import open_source
from hpe_edge.util.signals import StopSignals

Found = tuple[NDArray[np.float32], Poses]  # of a frame

FRAMES, QUICK_FRAMES = 120, 8
RUNS = Effort(seconds=0.0, least_runs=5, most_runs=5, warmup_seconds=0.0)  # each takes seconds
WANTED_RATIO = 1.6
TOLERANCES = {"boxes": 0.0, "angles_deg": 1e-2}  # a network with another number of threads adds in another order


class Job:
    """The same work in two ways."""

    def __init__(self, args: argparse.Namespace, frames: int, folder: Path) -> None:
        self._video, self._frames, self._out = args.video, frames, folder / "out.mp4"
        share = share_cores(len(os.sched_getaffinity(0)), several_detectors=True)
        self._workers = share.detect_workers
        self._detector = open_detector(args.detector, threads=share.detect_threads)
        model = default_or(args.model)
        self._engine = PoseEngine(model, threads=share.pose_threads)
        self._engine.warmup(WARMUP_FACES)
        self._loop_detector: Detector = open_detector(args.detector)
        self._loop_engine = PoseEngine(model)
        self.report = Report(Stopwatch())  # of the pipeline's latest run

    def pipeline(self) -> list[Found]:
        """In threads, as hpe-edge run does it."""
        results: list[Found] = []
        source, outputs = open_source(self._video), Outputs()
        outputs.add_picture(VideoFile(self._out, source.fps))

        def take(result: FrameResult, watch: Stopwatch) -> None:
            outputs.write(result, watch)
            results.append((result.boxes, result.poses))

        pipeline = Pipeline(
            source,
            find_by(self._detector),
            Analysis(self._engine),
            take,
            Stopwatch(),
            detect_workers=self._workers,
            frame_limit=self._frames,
        )
        self.report = pipeline.run(StopSignals(), lambda: False)
        outputs.commit()
        return results

    def loop(self) -> list[Found]:
        """One after the other."""
        results: list[Found] = []
        source = open_source(self._video)
        out = VideoFile(self._out, source.fps)
        for frame in source:
            detections = self._loop_detector(frame.image)
            boxes = detections.boxes
            poses = self._loop_engine(frame.image, boxes)
            result = FrameResult(frame, boxes, poses, detections.scores, np.full(len(boxes), NO_ID))
            drawn = frame.image.copy()
            draw_poses(drawn, boxes, poses)
            out.write_picture(result, drawn)
            results.append((boxes, poses))
            if len(results) == self._frames:
                break
        out.finish()
        assert out.pending is not None
        out.pending.commit()
        return results


def _answer(results: list[Found]) -> Answer:
    return {
        "boxes": np.concatenate([boxes for boxes, _ in results]),
        "angles_deg": np.concatenate([poses.angles for _, poses in results]),
    }


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--detector", type=Path, metavar="FILE.onnx", required=True, help="SCRFD or YuNet")
    parser.add_argument("--video", type=Path, metavar="FILE", required=True, help="with faces")


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    frames = QUICK_FRAMES if args.quick else FRAMES
    cv2.setNumThreads(len(os.sched_getaffinity(0)))  # both may use the whole machine
    with tempfile.TemporaryDirectory() as folder:
        job = Job(args, frames, Path(folder))
        alternatives = [
            Alternative("pipeline", "in threads, as hpe-edge run does it", job.pipeline, _answer, {}),
            Alternative("loop", "one after the other in one thread", job.loop, _answer, TOLERANCES),
        ]
        parameters: dict[str, str | int] = {"detector": args.detector.stem, "video": args.video.name, "frames": frames}
        yield measure(Case("video", parameters, alternatives), effort if args.quick else RUNS)
        job.pipeline()
        yield Result("stages", parameters, figures=_stages(job.report))


def _stages(report: Report) -> dict[str, float | None]:
    """Of one run: each stage's total and percentiles, and how much of its life each thread accounts for."""
    watch = report.watch
    figures: dict[str, float | None] = {"wall_s": round(report.total_s, 3)}
    for stage, times in watch.stages.items():
        figures[f"{stage}_total_s"] = round(times.total_s, 3)
        figures |= {f"{stage}_p{p}_ms": round(1e3 * times.percentile_s(p), 3) for p in (50, 95, 99)}
    for thread, alive_s in sorted(watch.alive_s.items()):
        known_s = watch.busy_s[thread] + watch.waited_s[thread]
        figures[f"{thread.replace(' ', '_')}_accounted_percent"] = round(100 * known_s / alive_s, 1)
    return figures


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    ratio = results[0].row("loop").ratio.median
    known = [value for name, value in results[1].figures.items() if name.endswith("_accounted_percent")]
    least = min(value for value in known if value is not None)
    return [
        BudgetLine(
            "the whole pipeline beside a plain loop",
            f">= {WANTED_RATIO:g} times as fast on two cores",
            f"{ratio:.2f} times on {len(os.sched_getaffinity(0))} cores",
            ratio >= WANTED_RATIO,
        ),
        BudgetLine(
            "work and waits of each thread, against its wall time", "within 5 %", f"{least:g} % or more", least >= 95
        ),
    ]


SUITE = Suite("video", "a whole video, in threads and in a plain loop", _add_arguments, _run, _budget)
