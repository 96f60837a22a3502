"""Stage-by-stage timing of a model on a bundled photo: verification, warm-up, then alternating calls."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.bench.bench_report import BatchResult, BenchReport, Latency, Power
from hpe_edge.bench.environment import environment
from hpe_edge.bench.machine_state import Watch
from hpe_edge.bench.power import PowerMeter, power_meter
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import BackendError, InputError, SourceError
from hpe_edge.faces.detector import Detector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.poses import Poses
from hpe_edge.samples import BOXES, PHOTO, read_photo

_REPEATS = 10  # calls that are compared before anything is timed
_SAME_DEG = 0.01  # tolerance between calls and batch sizes, in which networks sum in another order
_FEWEST_CALLS = 10

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]


def bench_model(
    model: Path | None = None,
    *,
    detector: Path | None = None,
    batches: Sequence[int] = (1, 4, 16),
    seconds: float = 2.0,
    device: str | None = None,
    backend: BackendName | None = None,
    precision: Precision | None = None,
    threads: int | None = None,
) -> BenchReport:
    """Measure a model stage by stage.

    Args:
        model: see :class:`hpe_edge.engine.PoseEngine`; None for the embedded model.
        detector: name or file of a face detector to measure as well; its boxes are then used.
        batches: faces per call, each 1 or more.
        seconds: measuring time of each batch size, and of the detector.
        device, backend, precision, threads: see :class:`hpe_edge.engine.PoseEngine`.

    Raises:
        HpeEdgeError: from PoseEngine or the detector.
        BackendError: repeated calls or different batch sizes give different poses.
    """
    if not batches or min(batches) < 1:
        raise InputError(f"batch sizes must be 1 or more, got {list(batches)}")
    frame, box, detect = read_photo(), _sample_box(), None
    with PoseEngine(model, device=device, backend=backend, precision=precision, threads=threads) as engine:
        watch = Watch()
        if detector is not None:
            box, detect = _measure_detector(open_detector(detector, threads=threads), detector, frame, seconds)
        expected = engine(frame, box)
        results = []
        for faces in batches:
            boxes = np.repeat(box, faces, axis=0)
            results.append(_measure_batch(engine, frame, boxes, expected, seconds, power_meter()))
            watch.look()
        return BenchReport(
            model=DEFAULT_NAME if model is None else str(model),
            engine=repr(engine),
            device=engine.device,
            threads=threads,
            detector=None if detector is None else str(detector),
            detect=detect,
            batches=results,
            environment=environment(),
            conditions=watch.conditions(),
            warnings=watch.warnings(),
        )


class StageClock:
    """Durations of the engine's stages, summed within a call. Use as ``engine(..., timer=clock)``."""

    def __init__(self) -> None:
        self.calls: dict[str, list[float]] = defaultdict(list)
        self._call: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the block as work of the stage."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self._call[stage] += time.perf_counter() - start_s

    def end_call(self) -> None:
        """Close a call; the next block belongs to the next one."""
        for stage, seconds in self._call.items():
            self.calls[stage].append(seconds)
        self._call.clear()


def _measure_batch(
    engine: PoseEngine, frame: Image, boxes: Boxes, expected: Poses, seconds: float, meter: PowerMeter | None
) -> BatchResult:
    """Measure calls with these boxes, all of the face whose pose is ``expected``."""

    def call() -> Poses:
        return engine(frame, boxes)

    engine.warmup(len(boxes))
    for _ in range(_REPEATS):
        _compare(call(), expected)
    clock, totals_s = StageClock(), []
    for _ in _until(seconds):  # alternating, so that the clock's own time is not in the totals
        totals_s.append(_seconds_of(call))
        engine(frame, boxes, timer=clock)
        clock.end_call()
    _compare(call(), expected)
    stages = {stage: Latency.of(times) for stage, times in clock.calls.items()}
    return BatchResult(
        faces=len(boxes),
        network_batch=min(engine.batch, len(boxes)),
        calls=len(totals_s),
        stages={**stages, "total": Latency.of(totals_s)},
        faces_per_s=len(boxes) * len(totals_s) / sum(totals_s),
        power=None if meter is None else _measure_power(call, len(boxes), seconds, meter),
    )


def _measure_power(call: Callable[[], object], faces: int, seconds: float, meter: PowerMeter) -> Power | None:
    calls = 0

    def load() -> None:
        nonlocal calls
        for _ in _until(max(seconds, 1.0)):  # sensors are slow
            call()
            calls += 1

    energy = meter.measure(load)
    if energy.total_joules is None or energy.mean_watts is None:
        return None
    millijoules = 1e3 * energy.total_joules / (calls * faces)
    return Power(sensors=meter.kind, mean_watts=energy.mean_watts, millijoules_per_face=millijoules)


def _measure_detector(detector: Detector, path: Path, frame: Image, seconds: float) -> tuple[Boxes, Latency]:
    """Return the box of the largest face, ``[1, 4]``, and the time of a call."""
    found = detector(frame)
    if not len(found):
        raise SourceError(f"the detector {path} finds no face in {PHOTO}; measure without it")
    for _ in range(_REPEATS):
        if not np.array_equal(detector(frame).boxes, found.boxes):
            raise BackendError(f"repeated calls of the detector {path} give different boxes; nothing was measured")
    times_s = [_seconds_of(lambda: detector(frame)) for _ in _until(seconds)]
    largest = int(np.argmax(found.boxes[:, 2] - found.boxes[:, 0]))
    return found.boxes[largest : largest + 1], Latency.of(times_s)


def _compare(poses: Poses, expected: Poses) -> None:
    apart_deg = np.abs(poses.angles - expected.angles)
    if not (np.isfinite(poses.angles).all() and (apart_deg <= _SAME_DEG).all()):
        raise BackendError(
            f"repeated calls give different poses for the same face: {np.nanmax(apart_deg):.3g} degrees apart with "
            f"{len(poses)} faces (limit {_SAME_DEG}); the timings would mean nothing"
        )


def _until(seconds: float) -> Iterator[int]:
    """Count calls until the time is over, at least _FEWEST_CALLS."""
    end_s, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end_s or count < _FEWEST_CALLS:
        yield count
        count += 1


def _seconds_of(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def _sample_box() -> Boxes:
    with BOXES.open(encoding="utf-8") as file:
        (row,) = (line.rstrip().split(",") for line in file if line.startswith(PHOTO.name))
    return np.array([row[1:]], np.float32)
