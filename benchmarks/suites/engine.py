"""The suite ``engine``: what PoseEngine adds to the network's own run, and whether it keeps memory.

``session.run`` is ONNX Runtime's plain call on an input that is ready, ``backend`` the engine's own way to run the
network, both in the engine's session. ``crop_normalize`` and ``decode`` are the engine's other stages by themselves.
The answers are compared as poses: what a stage gives is completed by the other stages, which is not timed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.memory import resident_kb
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.scene import crowd, frame, square
from benchmarks.inputs.tiny import write_tiny_model
from benchmarks.suites.ops import POSES, read_poses
from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.spec import BinsDecode

# One list of arrays per run of the network.
Outputs = list[list[NDArray[np.float32]]]

FACES = (1, 4, 8)
LIMIT_SIZE = 112  # pixels; what the budget is for
CALLS, QUICK_CALLS = 100_000, 200
WARMUP_CALLS = 1000

ADDED_LIMIT_US = 50.0
# The smallest Python object has 16 bytes, so one lost per call would be 1600 KB in 100,000 calls; the allocator's pools
# move by less than this.
GROWTH_LIMIT_KB = 256


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL.onnx",
        help=f"model to run; default: a tiny generated network, {LIMIT_SIZE} x {LIMIT_SIZE}",
    )
    parser.add_argument(
        "--calls",
        type=_positive,
        metavar="N",
        help=f"calls over which memory is watched, fewer for a slow model; default {CALLS}, with --quick {QUICK_CALLS}",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or write_tiny_model(Path(folder) / "tiny.onnx", LIMIT_SIZE)
        with PoseEngine(model, threads=1) as engine:
            for count in FACES:
                yield measure(_case(engine, count), effort)
            yield _watch_memory(engine, args.calls or (QUICK_CALLS if args.quick else CALLS))


def _case(engine: PoseEngine, count: int) -> Case:
    picture = frame()
    boxes = np.array([square(130)] if count == 1 else crowd(count), np.float32)
    # The engine's own backend: another session would have its weights elsewhere in memory, and its own speed.
    backend = engine._backend
    assert isinstance(backend, OnnxRuntimeBackend)
    session, spec = backend.session, engine.spec
    crop, decode = CropNormalize(engine.crop, spec.input), DecodeHeads(spec)
    parts = [slice(at, min(at + backend.max_batch, count)) for at in range(0, count, backend.max_batch)]
    contexts = [(backend.context(), part.stop - part.start) for part in parts]
    cropped = crop(picture, boxes)
    batches = [cropped[part] for part in parts]
    if isinstance(session.get_inputs()[0].shape[0], int):
        batches = [_padded(batch, backend.max_batch) for batch in batches]

    def run_session() -> Outputs:
        return [session.run(spec.outputs, {spec.input.name: batch}) for batch in batches]

    def run_backend() -> Outputs:
        return [context.run(faces) for context, faces in contexts]

    def fill_backend(values: NDArray[Any]) -> None:
        for (context, faces), part in zip(contexts, parts, strict=True):
            context.input(faces)[...] = values[part]

    def joined(outputs: Outputs) -> list[NDArray[np.float32]]:
        return [np.concatenate(arrays)[:count] for arrays in zip(*outputs, strict=True)]

    def answer_of_outputs(outputs: Outputs) -> Answer:
        return read_poses(decode(joined(outputs)))

    def answer_of_crop(values: NDArray[Any]) -> Answer:
        fill_backend(values)
        return answer_of_outputs(run_backend())

    fill_backend(cropped)
    logits, crop_room, poses_room = joined(run_backend()), np.empty_like(cropped), Poses.empty(count)
    # Only bins have a deviation; elsewhere it is NaN, which equals nothing.
    compared = POSES if isinstance(spec.decode, BinsDecode) else {k: v for k, v in POSES.items() if k != "sigma_deg"}
    alternatives = [
        Alternative(
            "engine", "PoseEngine from frame and boxes to poses", lambda: engine(picture, boxes), read_poses, {}
        ),
        Alternative("session.run", "ONNX Runtime's plain call, input ready", run_session, answer_of_outputs, compared),
        Alternative("backend", "the engine's backend, input ready", run_backend, answer_of_outputs, compared),
        Alternative(
            "crop_normalize",
            "the engine's crop alone",
            lambda: crop(picture, boxes, crop_room),
            answer_of_crop,
            compared,
        ),
        Alternative("decode", "the engine's decode alone", lambda: decode(logits, poses_room), read_poses, compared),
    ]
    parameters: dict[str, str | int] = {"model": spec.architecture, "size": spec.input.size, "faces": count}
    return Case("engine", parameters, alternatives)


def _padded(batch: NDArray[Any], length: int) -> NDArray[Any]:
    """The batch with empty faces behind it, as a graph with a fixed batch wants it."""
    padded = np.zeros((length, *batch.shape[1:]), batch.dtype)
    padded[: len(batch)] = batch
    return padded


def _watch_memory(engine: PoseEngine, calls: int) -> Result:
    """Resident memory over ``calls`` calls, after a warm-up that fills every pool.

    What leaks grows in every quarter of the calls; code that is paged in late, some hundred KB, grows in one. So the
    steady growth is four times the median quarter's.
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
    return Result(
        "memory",
        {"calls": calls, "faces": 1, "model": engine.spec.architecture},
        figures={
            "resident_before_kb": found_kb[0],
            "resident_after_kb": found_kb[-1],
            "growth_kb": known_kb[-1] - known_kb[0] if known else None,
            "steady_growth_kb": 4 * float(np.median(np.diff(known_kb))) if known else None,
        },
    )


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    (single,) = (result for result in results if result.name == "engine" and result.parameters["faces"] == 1)
    (memory,) = (result for result in results if result.name == "memory")
    added_us, size = single.row("backend").first_minus_this_us.median, single.parameters["size"]
    growth_kb, steady_kb = memory.figures["growth_kb"], memory.figures["steady_growth_kb"]
    calls = memory.parameters["calls"]
    leaks = steady_kb is not None and steady_kb >= GROWTH_LIMIT_KB
    enough = steady_kb is not None and int(calls) >= CALLS  # fewer can show a leak, but not that there is none
    return [
        BudgetLine(
            f"what PoseEngine adds to the backend's own run, one face, {size} pixels",
            f"<= {ADDED_LIMIT_US:g} us at {LIMIT_SIZE} pixels",
            f"{added_us:.1f} us",
            added_us <= ADDED_LIMIT_US if size == LIMIT_SIZE else None,
        ),
        BudgetLine(
            f"resident memory after {calls} calls",
            f"no growth that is steady (below {GROWTH_LIMIT_KB} KB)",
            "not measured" if steady_kb is None else f"{growth_kb:+g} KB, of it steady {steady_kb:+g} KB",
            not leaks if leaks or enough else None,
        ),
    ]


SUITE = Suite("engine", "what PoseEngine adds to the network's own run, and its memory", _add_arguments, _run, _budget)
