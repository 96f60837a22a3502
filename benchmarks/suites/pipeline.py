"""The suite ``pipeline``: the real job, from frame to angles, beside the plain Python that people copy today.

All alternatives get the same frames and the same boxes; the plain pipeline and the engines on float32 run the same
file. The boxes are moved by less than a pixel or so, so that their windows lie on whole pixels, because the plain
pipelines cut no others. Before anything is timed the angles are compared: those of an engine that computes in float32
may differ by what rounding the resized face to 8-bit levels moves them, those of others by twice what the gate lets
99 of 100 faces cost INT8. Then all take turns, see :mod:`benchmarks.harness.timing`. A turn is as many calls as fill
some hundredths of a second, and begins with a rest: each of these pipelines would have a machine to itself, with its
own weights in the caches, and without the threads of another one that still spin.

``one face`` and ``8 faces`` are one call on a frame; ``8 cameras`` brings a frame of each of eight cameras, which the
engines take through :class:`hpe_edge.DynamicBatcher` and the plain pipeline one after the other. With ``threads 1``
networks run on one thread, and the batcher has one worker; with ``all`` each is left to its own choice of threads, and
the batcher has a worker of one thread for each core.

``stages`` says where the time of one call goes, by the engine's own hooks, with the roofline of the two stages that
have one: the crop must read its window's pixels and write the network's input, the network is counted by
:mod:`benchmarks.hardware.graph_cost`. On a CPU nothing is copied: the crop is written into the network's input.
Detecting and filtering are no part of the comparison; they are timed beside it, where a detector is named.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.plain_pipelines import PlainPipeline, in_whole_pixels, window
from benchmarks.hardware.graph_cost import read_cost
from benchmarks.hardware.peaks import Peaks
from benchmarks.hardware.roofline import bound
from benchmarks.harness.stages import CallStages, median_us
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import HOST_CLOCK, Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.face_scene import FaceScene, Seen, bundled_scene, video_scene
from benchmarks.inputs.models import add_model_option, default_or
from benchmarks.inputs.ways import Way, usable_cores, ways
from benchmarks.suites.model_files import find_models
from hpe_edge import DynamicBatcher, InputError, PoseEngine, Poses
from hpe_edge.backends.options import Precision
from hpe_edge.batching.camera_stream import CameraStream
from hpe_edge.errors import BackendError
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.pipeline.frame_step import find_by
from hpe_edge.sources.frame import Frame
from hpe_edge.spec import ModelSpec

PLAIN, ORT = "plain", "onnxruntime cpu fp32"
ONE, MANY, CAMERAS = "one face", "8 faces", "8 cameras"
# cv2.resize rounds to whole levels, and takes a tenth of a level off on average. 0.38 degrees was the most that it
# moved the lightweight network in eight frames of a classroom, with faces of 45 pixels.
_ROUNDED_DEG = 0.5
_SHORT_DEG = 6.0  # twice what the gate lets INT8's 99th percentile be; of few faces each counts
_TURNS = replace(HOST_CLOCK, shortest_run_ns=30_000_000, rest_s=0.02)
_STAGE_CALLS, _QUICK_STAGE_CALLS = 200, 3
_WANTED = {ONE: 1.8, MANY: 2.0}
_WANTED_SHORT = 3.0
_WANTED_SIZE = 224


@dataclass(frozen=True)
class _Runner:
    """An engine beside its name, and how far its angles may be from the plain pipeline's."""

    way: Way
    name: str
    path: Path
    engine: PoseEngine
    tolerance_deg: float
    floats: Precision


@dataclass
class _Lineup:
    """What is compared on some threads: the plain pipeline and the engines that this machine has."""

    plain: PlainPipeline
    runners: list[_Runner] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        for runner in self.runners:
            runner.engine.close()


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--int8", type=Path, metavar="FILE.onnx", help="the model's INT8 form, by export.int8")
    parser.add_argument("--video", type=Path, metavar="FILE", help="with faces; default: the bundled photos, 1080p")
    parser.add_argument("--boxes", type=Path, metavar="CSV", help="of --video, as hpe-edge run --csv writes them")
    parser.add_argument("--detector", type=Path, metavar="FILE.onnx", help="SCRFD or YuNet, to time finding faces, too")


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    if (args.video is None) != (args.boxes is None):
        raise InputError("--video and --boxes go together: name both, or neither")
    scene = bundled_scene() if args.video is None else video_scene(args.video, args.boxes)
    path = default_or(args.model)
    paths = [path] if args.int8 is None else [path, args.int8]
    if any(model.reference != path for model in find_models(paths)):
        raise InputError(f"{args.int8} was not made from {path}; make it with python -m export.int8 {path}")
    peaks = Peaks(quick=args.quick)
    calls = _QUICK_STAGE_CALLS if args.quick else _STAGE_CALLS
    for threads in (1, None):
        cv2.setNumThreads(threads or usable_cores())
        with contextlib.closing(_open(paths, threads)) as line:
            scenes = _in_whole_pixels(scene, line.plain.spec)
            parameters: dict[str, str | int] = {
                "model": line.plain.spec.architecture,
                "size": line.plain.spec.input.size,
                "scene": scene.name,
                "threads": threads or "all",
            }
            if threads == 1:
                yield Result("ways", parameters, skipped=line.skipped)
            for name, seen in ((ONE, scenes.one), (MANY, scenes.crowd)):
                for runner in line.runners:
                    runner.engine.warmup(len(seen[1]))
                yield measure(_frame_case(line, name, parameters, seen), effort, _TURNS)
                yield from _stages(line, name, parameters, seen, peaks, calls, threads or usable_cores())
            yield from _cameras(line, parameters, scenes.cameras, effort, threads)
    yield from _around(args.detector, scene, path, calls)


def _open(paths: Sequence[Path], threads: int | None) -> _Lineup:
    line = _Lineup(PlainPipeline(paths[0], threads))
    try:
        for path in paths:
            for way in ways(path):
                if path != paths[0] and way.precision not in (None, "fp32"):
                    continue  # the few layers that are not INT8 in bfloat16
                try:
                    engine = way.open(path, threads)
                except BackendError as error:
                    line.skipped[way.label] = str(error)
                    continue
                numbers = way.numbers(engine.spec)
                tolerance = _ROUNDED_DEG if numbers == "fp32" else _SHORT_DEG
                name = f"{way.backend} {way.device} {numbers}"
                line.runners.append(_Runner(way, name, path, engine, tolerance, way.floats(engine.spec)))
    except BaseException:
        line.close()
        raise
    return line


def _in_whole_pixels(scene: FaceScene, spec: ModelSpec) -> FaceScene:
    def moved(seen: Seen) -> Seen:
        return seen[0], in_whole_pixels(seen[1], spec.crop)

    return FaceScene(scene.name, moved(scene.one), moved(scene.crowd), tuple(map(moved, scene.cameras)))


def _frame_case(line: _Lineup, name: str, parameters: Mapping[str, str | int], seen: Seen) -> Case:
    frame, boxes = seen

    def call(engine: PoseEngine) -> Callable[[], Poses]:
        return lambda: engine(frame, boxes)

    alternatives = [Alternative(PLAIN, _what(line.plain), lambda: line.plain(frame, boxes), _array_answer, {})]
    alternatives += [
        Alternative(
            runner.name,
            f"PoseEngine on {runner.path.name}, {runner.engine.batch} at a time",
            call(runner.engine),
            _poses_answer,
            {"angles_deg": runner.tolerance_deg},
        )
        for runner in line.runners
    ]
    return Case(name, {**parameters, "faces": len(boxes)}, alternatives)


def _what(plain: PlainPipeline) -> str:
    resize = "PIL" if plain.spec.crop.resampling == "antialias" else "OpenCV"
    return f"cut, {resize} resize, NumPy, a session call for each face, NumPy"


def _array_answer(angles: NDArray[np.float32]) -> Answer:
    return {"angles_deg": angles}


def _poses_answer(poses: Poses) -> Answer:
    return {"angles_deg": poses.angles}


def _cameras(
    line: _Lineup, parameters: Mapping[str, str | int], cameras: Sequence[Seen], effort: Effort, threads: int | None
) -> Iterator[Result]:
    """Eight frames at once; with ``threads`` None a worker of one thread for each core."""
    workers = threads or usable_cores()
    with contextlib.ExitStack() as stack:
        alternatives = [
            Alternative(
                PLAIN,
                f"{_what(line.plain)}; one frame after the other",
                lambda: np.concatenate([line.plain(*seen) for seen in cameras]),
                _array_answer,
                {},
            )
        ]
        for runner in line.runners:
            engine = runner.engine
            if threads is None and runner.way.on_cpu:
                engine = stack.enter_context(runner.way.open(runner.path, 1))
            engine.warmup(sum(len(boxes) for _, boxes in cameras))
            batcher = stack.enter_context(DynamicBatcher(engine, workers=workers))
            streams = [batcher.stream(capacity=1) for _ in cameras]
            alternatives.append(
                Alternative(
                    runner.name,
                    f"DynamicBatcher with {workers} workers, {engine.batch} at a time",
                    _all_cameras(streams, cameras),
                    _array_answer,
                    {"angles_deg": runner.tolerance_deg},
                )
            )
        faces = sum(len(boxes) for _, boxes in cameras)
        yield measure(Case(CAMERAS, {**parameters, "faces": faces}, alternatives), effort, _TURNS)


def _all_cameras(streams: Sequence[CameraStream], cameras: Sequence[Seen]) -> Callable[[], NDArray[np.float32]]:
    def run() -> NDArray[np.float32]:
        for stream, seen in zip(streams, cameras, strict=True):
            stream.submit(*seen)
        outcomes = [stream.result() for stream in streams]
        return np.concatenate([outcome.poses.angles for outcome in outcomes if outcome is not None])

    return run


def _stages(
    line: _Lineup,
    name: str,
    parameters: Mapping[str, str | int],
    seen: Seen,
    peaks: Peaks,
    calls: int,
    threads: int,
) -> Iterator[Result]:
    """Medians over calls of what each stage takes, for every alternative."""
    frame, boxes = seen
    parameters = {**parameters, "case": name, "faces": len(boxes)}
    plain = CallStages(lambda timer: line.plain(frame, boxes, timer)).medians_us(calls)
    yield Result("stages", {**parameters, "alternative": PLAIN}, figures=plain)
    crop_us = _crop_bound_us(line.plain.spec, seen, peaks)
    for runner in line.runners:
        engine = runner.engine

        def call(timer: Callable[[str], contextlib.AbstractContextManager[object]]) -> object:
            return engine(frame, boxes, timer=timer)  # noqa: B023

        figures = CallStages(call).medians_us(calls)
        cost = read_cost(runner.path, engine.batch, 4 if runner.floats == "fp32" else 2)
        least = bound(cost, peaks, runner.floats, threads) if runner.way.on_cpu else None
        figures["copy_us"] = 0.0 if runner.way.on_cpu else None
        figures["roofline_crop_us"] = crop_us if runner.way.on_cpu else None
        figures["roofline_infer_us"] = None if least is None else 1e3 * least.ms * len(boxes) / engine.batch
        yield Result("stages", {**parameters, "alternative": runner.name}, figures=figures)


def _crop_bound_us(spec: ModelSpec, seen: Seen, peaks: Peaks) -> float:
    """Of reading each window's pixels once and writing each input once, on one thread, as the engine does it."""
    moved = 0
    for box in seen[1]:
        x1, y1, x2, y2 = window(box, spec.crop)
        moved += 3 * (x2 - x1) * (y2 - y1) + 3 * spec.input.size**2 * np.dtype(spec.input.dtype).itemsize
    return moved / 1e3 / peaks.gbytes_per_s(1)


def _around(detector: Path | None, scene: FaceScene, path: Path, calls: int) -> Iterator[Result]:
    """Finding the faces and filtering their poses, by the code that ``hpe-edge run`` runs."""
    frame, boxes = scene.crowd
    parameters: dict[str, str | int] = {"scene": scene.name, "faces": len(boxes), "threads": "all"}
    with PoseEngine(path) as engine:
        poses = engine(frame, boxes)
    smoother, ids, times_s = PoseSmoother(), np.arange(len(boxes)), iter(np.arange(1, 1 << 20) / 30.0)
    filter_us = median_us(lambda: smoother(float(next(times_s)), ids, poses), calls)
    yield Result("around", {**parameters, "stage": "filter"}, figures={"filter_us": filter_us})
    if detector is None:
        yield Result("around", {**parameters, "stage": "detect"}, skipped={"detect": "no --detector was named"})
        return
    find = find_by(open_detector(detector))
    shown = Frame("scene", 0, 0.0, frame)
    found = find(shown)
    figures = {"detect_us": median_us(lambda: find(shown), calls), "found_faces": float(len(found.boxes))}
    yield Result("around", {**parameters, "stage": "detect", "detector": detector.stem}, figures=figures)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    for case, limit in _WANTED.items():
        for result in results:
            if result.name == case:
                lines.append(
                    _line(result, f"PoseEngine beside the plain pipeline, {case}", "onnxruntime cpu fp32", limit)
                )
    for result in results:
        if result.name in _WANTED:
            names = [row.name for row in result.rows]
            short = [name for name in names if name.startswith("openvino") and name.endswith(("bf16", "int8"))]
            best = min(short, key=lambda name: result.row(name).ratio.median, default="openvino cpu bf16")
            lines.append(_line(result, f"OpenVINO in bf16 or INT8 beside it, {result.name}", best, _WANTED_SHORT))
    return lines


def _line(result: Result, what: str, row: str, limit: float) -> BudgetLine:
    threads, size = result.parameters["threads"], result.parameters["size"]
    what = f"{what}, {result.parameters['model']}, {size} pixels, {threads} thread{'s' * (threads != 1)}"
    ratio = next((each.ratio.median for each in result.rows if each.name == row), None)
    if ratio is None:
        return BudgetLine(what, f">= {limit:g} times as fast", "not measured", None)
    met = 1 / ratio >= limit if size == _WANTED_SIZE else None
    return BudgetLine(what, f">= {limit:g} times as fast", f"{1 / ratio:.2f} times ({row})", met)


SUITE = Suite(
    "pipeline", "from frame to angles, beside the plain Python pipelines, stage by stage", _add_arguments, _run, _budget
)
