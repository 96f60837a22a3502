"""Suites ``ops`` (crop_normalize and decode beside OpenCV, NumPy and PIL) and ``engine`` (what PoseEngine adds).

In ``engine``, ``session.run`` is ONNX Runtime's plain call on an input that is ready and ``backend`` the engine's own,
both in the engine's session; ``crop_normalize`` and ``decode`` are its other stages by themselves. Answers are compared
as poses: the result of a stage is completed by the other stages, which is not timed.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.chains import Chain, NumPy, NumPyAngles, NumPyDecode, OpenCv, OpenCvBest, Pillow
from benchmarks.harness.load import resident_kb
from benchmarks.harness.suite import BudgetLine, Suite, option, path_option, positive
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.answers import ANGLES, POSES, SAME_FORMULA, named_poses, read_poses
from benchmarks.inputs.generated_models import write_tiny_model
from benchmarks.inputs.scene import BINS, HEIGHT, STD, Window, bins_spec, crowd, frame, imagenet_input, square
from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.ops.crop import CropNormalize, isa_names
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.spec import BinsDecode, Crop

SIZES = (112, 224)
SIDES = (60, 90, 130, 200, 400)
OURS = "hpe_edge"

# The chains round to 8 bits after resizing, we do not: one level, as the smallest deviation scales it. PIL rounds
# twice, after rows and after columns.
ONE_LEVEL = 1.01 / 255 / min(STD)

FACES = (1, 4, 8)
LIMIT_SIZE, ADDED_LIMIT_US = 112, 50.0
CALLS, QUICK_CALLS, WARMUP_CALLS = 100_000, 200, 1000
# The smallest Python object has 16 bytes, so one lost per call would be 1600 KB in 100,000 calls; the allocator's pools
# move by less than this.
GROWTH_LIMIT_KB = 256


def _run(options: object, effort: Effort) -> Iterator[Result]:
    for case in _cases():
        yield measure(case, effort)


def _cases() -> Iterator[Case]:
    for size in SIZES:
        for side in SIDES:
            yield _crop_case(size, f"{side} px", [square(side)])
        yield _crop_case(size, "110 x 140 px at the frame's left edge", [(0, 470, 110, 610)])
        yield _crop_case(size, "100 px, half outside at the corner", [(-50, HEIGHT - 50, 50, HEIGHT + 50)])
        yield _crop_case(size, "400 px", [square(400)], "antialias")
        for count in (8, 64):
            yield _crop_case(size, "60 to 200 px", crowd(count))
    for count in (1, 8, 64):
        yield _decode_case(count)


def _crop_case(
    size: int, box: str, boxes: Sequence[Window], resampling: Literal["bilinear", "antialias"] = "bilinear"
) -> Case:
    count, picture, windows = len(boxes), frame(), [_squared(box) for box in boxes]
    array = np.array(boxes, np.float32)

    def ours(isa: str, preallocated: bool = True) -> Callable[[], Any]:
        op = CropNormalize(Crop(resampling=resampling), imagenet_input(size), isa)
        out = np.empty((count, 3, size, size), np.float32) if preallocated else None
        return lambda: op(picture, array, out)

    def chain(name: str, run: Chain, levels: int = 1) -> Alternative:
        tolerance = {"values": levels * ONE_LEVEL}
        return Alternative(name, _summary(run), lambda: run(picture, windows), _values, tolerance)

    best, *others = isa_names()
    what = f"crop_normalize on {best}, into a buffer, as the engine does"
    alternatives = [
        Alternative(OURS, what, ours(best), _values),
        Alternative(f"{OURS}, new array", "the same, allocating its result", ours(best, False), _values, {"values": 0}),
    ]
    for isa in others:
        what, tolerance = f"crop_normalize on {isa}, into a buffer", {"values": SAME_FORMULA}
        alternatives.append(Alternative(f"{OURS}, {isa}", what, ours(isa), _values, tolerance))
    skipped = {}
    if resampling == "bilinear":
        alternatives += [chain("opencv", OpenCv(size)), chain("opencv best", OpenCvBest(size, count))]
        alternatives.append(chain("numpy", NumPy(size)))
    elif importlib.util.find_spec("PIL"):
        alternatives.append(chain("pillow", Pillow(size), levels=2))
    else:
        skipped = {"pillow": "it is not installed: pip install pillow"}
    parameters: dict[str, str | int] = {"size": size, "faces": count, "box": box, "resampling": resampling}
    return Case("crop_normalize", parameters, alternatives, skipped)


def _decode_case(count: int) -> Case:
    logits = np.random.default_rng(2).normal(0, 3, (count, 3 * BINS[2])).astype(np.float32)
    logits[::2, BINS[2] // 3 :: BINS[2]] += 20  # every second face has a peaked distribution
    spec = bins_spec("benchmark", SIZES[0])
    full, angles = NumPyDecode(*BINS), NumPyAngles(*BINS)

    def ours(isa: str, preallocated: bool = True) -> Callable[[], Any]:
        op = DecodeHeads(spec, isa)
        out = Poses.empty(count) if preallocated else None
        return lambda: op([logits], out)

    best, *others = isa_names()
    exact = dict.fromkeys(POSES, 0.0)
    alternatives = [
        Alternative(OURS, f"decode on {best}: angles, deviations, rotations", ours(best), read_poses),
        Alternative(f"{OURS}, new array", "the same, allocating its result", ours(best, False), read_poses, exact),
        *(Alternative(f"{OURS}, {isa}", f"decode on {isa}", ours(isa), read_poses, POSES) for isa in others),
        Alternative("numpy", _summary(full), lambda: full(logits), named_poses, POSES),
        Alternative("numpy, angles only", _summary(angles), lambda: angles(logits), _stacked, ANGLES),
    ]
    return Case("decode", {"faces": count, "bins": f"3 x {BINS[2]}"}, alternatives)


def _stacked(found: Any) -> Answer:
    return {"angles_deg": np.stack(found, axis=1)}


def _values(found: Any) -> Answer:
    return {"values": found}


def _summary(what: object) -> str:
    return (type(what).__doc__ or "").partition("\n")[0]


def _squared(box: Window) -> Window:
    """Grow the shorter side about the centre; the boxes here are such that whole pixels come out."""
    x1, y1, x2, y2 = box
    grow_x, grow_y = max((y2 - y1) - (x2 - x1), 0) // 2, max((x2 - x1) - (y2 - y1), 0) // 2
    return (x1 - grow_x, y1 - grow_y, x2 + grow_x, y2 + grow_y)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    limits = ((112, "opencv best", 2.5), (112, "numpy", 8.0), (224, "opencv", 10.0), (224, "numpy", 15.0))
    lines = [_crop_line(results, *limit) for limit in limits]
    (decode,) = (result for result in results if result.name == "decode" and result.parameters["faces"] == 64)
    ratio = decode.row("numpy").ratio.median
    what = "decode, 64 faces x 3 x 66 bins, beside numpy"
    return [*lines, BudgetLine(what, ">= 5 times as fast", f"{ratio:.2f} times", ratio >= 5)]


def _crop_line(results: Sequence[Result], size: int, alternative: str, limit: float) -> BudgetLine:
    """Judge the least favourable of the single boxes."""
    wanted = {"size": size, "faces": 1, "resampling": "bilinear"}
    ratios = {
        result.parameters["box"]: result.row(alternative).ratio.median
        for result in results
        if result.name == "crop_normalize" and wanted.items() <= result.parameters.items()
    }
    worst = min(ratios, key=lambda box: ratios[box])
    found = f"{ratios[worst]:.2f} to {max(ratios.values()):.2f} times, least for a box of {worst}"
    what = f"crop_normalize, {size} pixels, one face, beside {alternative}"
    return BudgetLine(what, f">= {limit:g} times as fast", found, ratios[worst] >= limit)


@dataclass(frozen=True)
class EngineOptions:
    model: Path | None = path_option(
        f"model to run; default: a tiny generated network, {LIMIT_SIZE} x {LIMIT_SIZE}", None, "MODEL.onnx"
    )
    calls: int | None = option(
        f"calls over which memory is watched; default {CALLS}, with --quick {QUICK_CALLS}",
        None,
        type=positive,
        metavar="N",
    )


def _run_engine(options: EngineOptions, effort: Effort) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or write_tiny_model(Path(folder) / "tiny.onnx", LIMIT_SIZE)
        with PoseEngine(model, threads=1, upright=None) as engine:
            for count in FACES:
                yield measure(_engine_case(engine, count), effort)
            yield watch_memory(engine, options.calls or (QUICK_CALLS if effort.quick else CALLS))


def _engine_case(engine: PoseEngine, count: int) -> Case:
    picture = frame()
    boxes = np.array([square(130)] if count == 1 else crowd(count), np.float32)
    # The engine's own backend: another session may have another speed.
    backend = engine._backend
    assert isinstance(backend, OnnxRuntimeBackend)
    session, spec = backend.session, engine.spec
    crop, decode = CropNormalize(engine.crop, spec.input), DecodeHeads(spec)
    parts = [slice(at, min(at + backend.max_batch, count)) for at in range(0, count, backend.max_batch)]
    contexts = [(backend.context(), part.stop - part.start) for part in parts]
    cropped = crop(picture, boxes)
    batches = [cropped[part] for part in parts]
    if isinstance(session.get_inputs()[0].shape[0], int):  # a fixed batch is filled up
        padding = [(0, backend.max_batch), *[(0, 0)] * 3]
        batches = [np.pad(batch, padding)[: backend.max_batch] for batch in batches]

    def run_session() -> list[Any]:
        return [session.run(spec.outputs, {spec.input.name: batch}) for batch in batches]

    def run_backend() -> list[Any]:
        return [context.run(faces) for context, faces in contexts]

    def fill_backend(values: NDArray[Any]) -> None:
        for (context, faces), part in zip(contexts, parts, strict=True):
            context.input(faces)[...] = values[part]

    def joined(outputs: list[Any]) -> list[NDArray[np.float32]]:
        return [np.concatenate(arrays)[:count] for arrays in zip(*outputs, strict=True)]

    def answer_of_outputs(outputs: list[Any]) -> Answer:
        return read_poses(decode(joined(outputs)))

    def answer_of_crop(values: NDArray[Any]) -> Answer:
        fill_backend(values)
        return answer_of_outputs(run_backend())

    fill_backend(cropped)
    logits, room, poses_room = joined(run_backend()), np.empty_like(cropped), Poses.empty(count)
    # Only bins have a deviation; elsewhere it is NaN, which equals nothing.
    compared = POSES if isinstance(spec.decode, BinsDecode) else {k: v for k, v in POSES.items() if k != "sigma_deg"}
    whole = "PoseEngine from frame and boxes to poses"
    alternatives = [
        Alternative("engine", whole, lambda: engine(picture, boxes), read_poses),
        Alternative("session.run", "ONNX Runtime's plain call, input ready", run_session, answer_of_outputs, compared),
        Alternative("backend", "the engine's backend, input ready", run_backend, answer_of_outputs, compared),
        Alternative(
            "crop_normalize", "the engine's crop alone", lambda: crop(picture, boxes, room), answer_of_crop, compared
        ),
        Alternative("decode", "the engine's decode alone", lambda: decode(logits, poses_room), read_poses, compared),
    ]
    return Case("engine", {"model": spec.architecture, "size": spec.input.size, "faces": count}, alternatives)


def watch_memory(engine: PoseEngine, calls: int) -> Result:
    """Measure resident memory over calls, after a warm-up that fills every pool.

    A leak grows in every quarter of the calls, code that is paged in late, some hundred KB, in one only. So the steady
    growth is four times the median quarter's.
    """
    picture, boxes = frame(), np.array([square(130)], np.float32)
    for _ in range(min(WARMUP_CALLS, calls)):
        engine(picture, boxes)
    found_kb = [resident_kb()]
    for quarter in range(4):
        for _ in range((calls + quarter) // 4):
            engine(picture, boxes)
        found_kb.append(resident_kb())
    known_kb = [kb for kb in found_kb if kb is not None]
    known = len(known_kb) == len(found_kb)
    figures = {
        "resident_before_kb": found_kb[0],
        "resident_after_kb": found_kb[-1],
        "growth_kb": known_kb[-1] - known_kb[0] if known else None,
        "steady_growth_kb": 4 * float(np.median(np.diff(known_kb))) if known else None,
    }
    return Result("memory", {"calls": calls, "faces": 1, "model": engine.spec.architecture}, figures=figures)


def _engine_budget(results: Sequence[Result]) -> list[BudgetLine]:
    (single,) = (result for result in results if result.name == "engine" and result.parameters["faces"] == 1)
    (memory,) = (result for result in results if result.name == "memory")
    added_us, size = single.row("backend").first_minus_this_us.median, single.parameters["size"]
    growth_kb, steady_kb = memory.figures["growth_kb"], memory.figures["steady_growth_kb"]
    calls = memory.parameters["calls"]
    leaks = steady_kb is not None and steady_kb >= GROWTH_LIMIT_KB
    enough = steady_kb is not None and int(calls) >= CALLS  # fewer can show a leak, but not that there is none
    grown = "not measured" if steady_kb is None else f"{growth_kb:+g} KB, of it steady {steady_kb:+g} KB"
    what, limit = f"resident memory after {calls} calls", f"no growth that is steady (below {GROWTH_LIMIT_KB} KB)"
    memory_line = BudgetLine(what, limit, grown, not leaks if leaks or enough else None)
    what = f"what PoseEngine adds to the backend's own run, one face, {size} pixels"
    limit, met = f"<= {ADDED_LIMIT_US:g} us at {LIMIT_SIZE} pixels", added_us <= ADDED_LIMIT_US
    return [BudgetLine(what, limit, f"{added_us:.1f} us", met if size == LIMIT_SIZE else None), memory_line]


OPS = Suite("ops", "crop_normalize and decode beside the best that OpenCV, NumPy and PIL can do", _run, budget=_budget)
_ABOUT = "time that PoseEngine adds to the network's own run, and its memory"
ENGINE = Suite("engine", _ABOUT, _run_engine, EngineOptions, _engine_budget)
