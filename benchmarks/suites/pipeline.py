"""Suite ``pipeline``: from frame to angles, beside the plain Python pipeline of demos.

All alternatives get the same frames and boxes; the plain pipeline and the engines on float32 run the same file. The
boxes are moved by less than a pixel or so, so that their windows lie on whole pixels, as the plain pipelines cut them.
The angles of an engine in float32 may differ by the effect of rounding the resized face to 8-bit levels, those of
others by twice the gate's 99th percentile for INT8. A turn is as many calls as fill some hundredths of a second, and
begins with a rest, until the previous pipeline's threads have stopped spinning.

``one face`` and ``8 faces`` are one call on a frame; ``8 cameras`` brings a frame of each of eight cameras, which the
engines take through :class:`hpe_edge.DynamicBatcher` and the plain pipeline one after the other. With ``threads`` all,
networks choose their threads, and the batcher has a worker of one thread for each core. ``stages`` has the times within
one call, by the engine's own hooks, beside the roofline of the crop, which reads its window and writes the network's
input, and of the network. Detecting and filtering are timed beside the comparison.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.plain_pipelines import PlainPipeline, in_whole_pixels, window
from benchmarks.hardware.roofline import Peaks, bound, measure_peaks, read_costs
from benchmarks.harness.load import CallStages, median_us
from benchmarks.harness.suite import BudgetLine, Suite, default_or, model_option, path_option
from benchmarks.harness.timing import HOST_CLOCK, Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.backend_config import BackendConfig, backend_configs
from benchmarks.inputs.model_variant import find_models
from benchmarks.inputs.scene import FaceScene, FrameBoxes, bundled_scene, video_scene
from hpe_edge import DynamicBatcher, InputError, PoseEngine, Poses
from hpe_edge.backends.options import Precision
from hpe_edge.batching.camera_stream import CameraStream
from hpe_edge.errors import BackendError
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.pipeline.frame_step import find_by
from hpe_edge.sources.frame import Frame
from hpe_edge.spec import ModelSpec
from hpe_edge.util.cores import usable_cores

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

Parameters = Mapping[str, str | int]


@dataclass(frozen=True)
class Options:
    model: Path | None = model_option()
    int8: Path | None = path_option("the model in INT8, by export.int8", None, "FILE.onnx")
    video: Path | None = path_option("with faces; default: the bundled photos, 1080p", None)
    boxes: Path | None = path_option("of --video, as hpe-edge run --csv writes them", None, "CSV")
    detector: Path | None = path_option("SCRFD or YuNet, to time finding faces, too", None, "FILE.onnx")


@dataclass(frozen=True)
class _Runner:
    """An engine, its name in tables, and its tolerance to the plain pipeline."""

    config: BackendConfig
    name: str
    path: Path
    engine: PoseEngine
    tolerance_deg: float
    floats: Precision


@dataclass
class _Lineup:
    """The plain pipeline and the engines of this machine, on one thread or all."""

    plain: PlainPipeline
    runners: list[_Runner] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    if (options.video is None) != (options.boxes is None):
        raise InputError("--video and --boxes go together: name both, or neither")
    with_video = options.video is not None and options.boxes is not None
    scene = video_scene(options.video, options.boxes) if with_video else bundled_scene()  # type: ignore[arg-type]
    path = default_or(options.model)
    paths = [path] if options.int8 is None else [path, options.int8]
    if any(model.reference != path for model in find_models(paths)):
        raise InputError(f"{options.int8} was not made from {path}; make it with hpe-edge export int8 {path}")
    peaks = measure_peaks(sorted({1, usable_cores()}), quick=effort.quick)
    calls = _QUICK_STAGE_CALLS if effort.quick else _STAGE_CALLS
    for threads in (1, None):
        cv2.setNumThreads(threads or usable_cores())
        with contextlib.ExitStack() as stack:
            line = _open(paths, threads, stack)
            scenes = _in_whole_pixels(scene, line.plain.spec)
            parameters: Parameters = {
                "model": line.plain.spec.architecture,
                "size": line.plain.spec.input.size,
                "scene": scene.name,
                "threads": threads or "all",
            }
            if threads == 1:
                yield Result("backends", parameters, skipped=line.skipped)
            for name, seen in ((ONE, scenes.one), (MANY, scenes.crowd)):
                for runner in line.runners:
                    runner.engine.warmup(len(seen[1]))
                yield measure(_frame_case(line, name, parameters, seen), effort, _TURNS)
                where = {**parameters, "case": name, "faces": len(seen[1])}
                yield from _stages(line, where, seen, peaks, calls, threads or usable_cores())
            yield from _cameras(line, parameters, scenes.cameras, effort, threads)
    yield from _around(options.detector, scene, path, calls)


def _open(paths: Sequence[Path], threads: int | None, stack: contextlib.ExitStack) -> _Lineup:
    line = _Lineup(PlainPipeline(paths[0], threads))
    for path in paths:
        for config in backend_configs(path):
            if path != paths[0] and config.precision not in (None, "fp32"):
                continue  # the few layers that are not INT8 in bfloat16
            try:
                engine = stack.enter_context(config.open(path, threads))
            except BackendError as error:
                line.skipped[config.label] = str(error)
                continue
            precision, floats = config.computes_in(engine.spec), config.floats(engine.spec)
            tolerance = _ROUNDED_DEG if precision == "fp32" else _SHORT_DEG
            name = f"{config.backend} {config.device} {precision}"
            line.runners.append(_Runner(config, name, path, engine, tolerance, floats))
    return line


def _in_whole_pixels(scene: FaceScene, spec: ModelSpec) -> FaceScene:
    def moved(seen: FrameBoxes) -> FrameBoxes:
        return seen[0], in_whole_pixels(seen[1], spec.crop)

    return FaceScene(scene.name, moved(scene.one), moved(scene.crowd), tuple(map(moved, scene.cameras)))


def _frame_case(line: _Lineup, name: str, parameters: Parameters, seen: FrameBoxes) -> Case:
    alternatives = [Alternative(PLAIN, _what(line.plain), lambda: line.plain(*seen), _answer)]
    for runner in line.runners:
        what = f"PoseEngine on {runner.path.name}, {runner.engine.batch} at a time"
        tolerance = {"angles_deg": runner.tolerance_deg}
        alternatives.append(Alternative(runner.name, what, partial(runner.engine, *seen), _answer, tolerance))
    return Case(name, {**parameters, "faces": len(seen[1])}, alternatives)


def _what(plain: PlainPipeline) -> str:
    resize = "PIL" if plain.spec.crop.resampling == "antialias" else "OpenCV"
    return f"cut, {resize} resize, NumPy, a session call for each face, NumPy"


def _answer(found: Poses | NDArray[np.float32]) -> Answer:
    return {"angles_deg": found.angles if isinstance(found, Poses) else found}


def _cameras(
    line: _Lineup, parameters: Parameters, cameras: Sequence[FrameBoxes], effort: Effort, threads: int | None
) -> Iterator[Result]:
    """Time eight frames at once; with ``threads`` None a worker of one thread for each core."""
    workers = threads or usable_cores()
    faces = sum(len(boxes) for _, boxes in cameras)

    def one_by_one() -> NDArray[np.float32]:
        return np.concatenate([line.plain(*seen) for seen in cameras])

    with contextlib.ExitStack() as stack:
        alternatives = [Alternative(PLAIN, f"{_what(line.plain)}; one frame after the other", one_by_one, _answer)]
        for runner in line.runners:
            engine = runner.engine
            if threads is None and runner.config.on_cpu:
                engine = stack.enter_context(runner.config.open(runner.path, 1))
            engine.warmup(faces)
            batcher = stack.enter_context(DynamicBatcher(engine, workers=workers))
            call = _all_cameras([batcher.stream(capacity=1) for _ in cameras], cameras)
            what = f"DynamicBatcher with {workers} workers, {engine.batch} at a time"
            alternatives.append(Alternative(runner.name, what, call, _answer, {"angles_deg": runner.tolerance_deg}))
        yield measure(Case(CAMERAS, {**parameters, "faces": faces}, alternatives), effort, _TURNS)


def _all_cameras(streams: Sequence[CameraStream], cameras: Sequence[FrameBoxes]) -> Callable[[], NDArray[np.float32]]:
    def run() -> NDArray[np.float32]:
        for stream, seen in zip(streams, cameras, strict=True):
            stream.submit(*seen)
        results = [stream.result() for stream in streams]
        return np.concatenate([result.poses.angles for result in results if result is not None])

    return run


def _stages(
    line: _Lineup, parameters: Parameters, seen: FrameBoxes, peaks: Peaks, calls: int, threads: int
) -> Iterator[Result]:
    """Yield medians over calls of every stage's time, for every alternative."""
    plain = CallStages(lambda timer: line.plain(*seen, timer)).medians_us(calls)
    yield Result("stages", {**parameters, "alternative": PLAIN}, figures=plain)
    crop_us = _crop_bound_us(line.plain.spec, seen, peaks)
    for runner in line.runners:
        engine = runner.engine
        figures = CallStages(lambda timer, engine=engine: engine(*seen, timer=timer)).medians_us(calls)  # type: ignore[misc]
        cost = read_costs(runner.path, engine.batch, 4 if runner.floats == "fp32" else 2)["all"]
        least = bound(cost, peaks, runner.floats, threads) if runner.config.on_cpu else None
        figures["copy_us"] = 0.0 if runner.config.on_cpu else None
        figures["roofline_crop_us"] = crop_us if runner.config.on_cpu else None
        figures["roofline_infer_us"] = None if least is None else 1e3 * least.ms * len(seen[1]) / engine.batch
        yield Result("stages", {**parameters, "alternative": runner.name}, figures=figures)


def _crop_bound_us(spec: ModelSpec, seen: FrameBoxes, peaks: Peaks) -> float:
    """Return the time of reading each window and writing each input once, on one thread, as the engine does it."""
    moved = 0
    for box in seen[1]:
        x1, y1, x2, y2 = window(box, spec.crop)
        moved += 3 * (x2 - x1) * (y2 - y1) + 3 * spec.input.size**2 * np.dtype(spec.input.dtype).itemsize
    return moved / 1e3 / peaks.gbytes_per_s(1)


def _around(detector: Path | None, scene: FaceScene, path: Path, calls: int) -> Iterator[Result]:
    """Time finding the faces and filtering their poses, by the code that ``hpe-edge run`` runs."""
    frame, boxes = scene.crowd
    parameters: Parameters = {"scene": scene.name, "faces": len(boxes), "threads": "all"}
    with PoseEngine(path) as engine:
        poses = engine(frame, boxes)
    smoother, ids, times_s = PoseSmoother(), np.arange(len(boxes)), iter(np.arange(1, 1 << 20) / 30.0)
    filter_us = median_us(lambda: smoother(float(next(times_s)), ids, poses), calls)
    yield Result("around", {**parameters, "stage": "filter"}, figures={"filter_us": filter_us})
    if detector is None:
        yield Result("around", {**parameters, "stage": "detect"}, skipped={"detect": "no --detector was named"})
        return
    find = find_by(open_detector(detector, threads=None))
    shown = Frame("scene", 0, 0.0, frame)
    found = find(shown)
    figures = {"detect_us": median_us(lambda: find(shown), calls), "found_faces": float(len(found.boxes))}
    yield Result("around", {**parameters, "stage": "detect", "detector": detector.stem}, figures=figures)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    cases = [result for case in _WANTED for result in results if result.name == case]
    lines = [
        _line(each, f"PoseEngine beside the plain pipeline, {each.name}", ORT, _WANTED[each.name]) for each in cases
    ]
    for result in (result for result in results if result.name in _WANTED):
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


SUITE = Suite("pipeline", "from frame to angles, beside plain Python, stage by stage", _run, Options, _budget)
