"""The suite ``model``: the network alone, every backend of this machine by precision, batch and threads.

Before a way is timed, its answers on the crops of real faces are held against ONNX Runtime's on the float32 file, whose
outputs NumPy decodes: in degrees, within the limits of the export's gate for what it computes in. An engine that fails
is a failure of the suite; nothing is written.

Every run is warmed up until it is steady, which is said with it: the medians of three blocks in a row lie within 2 % of
each other, or the time for it is over. Then the run is repeated with its input ready. ``callers`` are threads with
buffers of their own that run at the same time, one per core: the most that a machine gets through, with the latency
that it costs. Beside each run stands its roofline, see :mod:`benchmarks.hardware.roofline`; on GPUs no peaks are
measured.

An architecture named by ``--arch`` has untrained weights: its angles mean nothing, but all ways must agree on them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.hardware.graph_cost import GraphCost, read_cost
from benchmarks.hardware.peaks import NUMBERS, Peaks
from benchmarks.hardware.roofline import bound, cost_figures, roofline_figures
from benchmarks.harness.steady import Load, WarmUp, measure_load, warm_up
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Effort, Result, WrongAnswerError
from benchmarks.inputs.models import default_or
from benchmarks.inputs.untrained import CHECKPOINT, make_int8, make_untrained
from benchmarks.inputs.ways import Way, usable_cores, ways
from benchmarks.suites.footprint import footprint_kb
from benchmarks.suites.model_files import Model, find_models, reference_poses
from export.gate.crops import gate_faces
from export.gate.gate import backend_runner, compare, poses_of
from hpe_edge import Poses
from hpe_edge.backends.base import Backend
from hpe_edge.backends.tensorrt.plan_file import SUFFIXES
from hpe_edge.bench.power import PowerMeter, power_meter
from hpe_edge.errors import BackendError
from hpe_edge.spec import ModelSpec

BATCHES, QUICK_BATCHES = (1, 2, 4, 8, 16), (1, 8)
LARGEST_KINDS = 6  # of layers, that the table of costs names
PAPER_MODEL = "ehpnet"
PAPER_FACES_PER_S = 300  # EHPNet on a V100, Thai et al., 2022, arXiv:2210.13705
WANTED_FACES_PER_S = 1000
_WARM_UP_S, _QUICK_WARM_UP_S = 5.0, 0.05
_BLOCK_S = 0.1
_ENERGY_S, _MANY = 2.0, 1_000_000


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        metavar="FILE",
        default=[],
        help="ONNX files or TensorRT engines; beside each that is not in float32 the ONNX file that is. Default: the "
        "embedded one",
    )
    parser.add_argument(
        "--arch",
        nargs="+",
        metavar="NAME",
        default=[],
        help="architectures of python -m export.onnx --list, with untrained weights, in float32 and INT8: for their "
        "speed only; needs torch",
    )


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        paths = list(args.model)
        for architecture in args.arch:
            paths.append(make_untrained(architecture, Path(folder)))
            paths.append(make_int8(paths[-1]))
        models = find_models(paths or [default_or(None)])
        peaks = Peaks(quick=args.quick)
        yield from _peak_results(peaks)
        for model in models:
            if model.path.suffix.lower() not in SUFFIXES:
                yield from _cost_results(model)
            yield from _model_results(model, peaks, effort, quick=args.quick)


def _peak_results(peaks: Peaks) -> Iterator[Result]:
    for threads in sorted({1, usable_cores()}):
        figures: dict[str, float | None] = {"triad_gbytes_per_s": peaks.gbytes_per_s(threads)}
        for numbers in NUMBERS:
            by_library = peaks.gemm_gflops(numbers, threads)
            figures |= {f"{library}_{numbers}_gflops": value for library, value in by_library.items()}
        yield Result("peaks", {"threads": threads}, figures=figures)


def _cost_results(model: Model) -> Iterator[Result]:
    """The graph's cost, then that of its most costly kinds of layers."""
    cost = read_cost(model.path, 1)
    parameters: dict[str, str | int] = {"model": model.spec.architecture, "file": model.path.name}
    yield Result("cost", {**parameters, "layers": "all"}, figures={**_layer_figures(cost, cost), **cost_figures(cost)})
    for kind, part in list(cost.by_kind().items())[:LARGEST_KINDS]:
        yield Result("cost", {**parameters, "layers": kind}, figures=_layer_figures(part, cost))


def _layer_figures(part: GraphCost, whole: GraphCost) -> dict[str, float | None]:
    return {
        "layers": len(part.layers),
        "mmacs": part.macs / 1e6,
        "int8_mmacs": part.int8_macs / 1e6,
        "weights_kb": sum(layer.weight_bytes for layer in part.layers) / 1024,
        "activations_kb": sum(layer.activation_bytes for layer in part.layers) / 1024,
        "macs_share_percent": 100 * part.macs / whole.macs if whole.macs else None,
        "bytes_share_percent": 100 * part.bytes / whole.bytes,
    }


def _model_results(model: Model, peaks: Peaks, effort: Effort, *, quick: bool) -> Iterator[Result]:
    crops = gate_faces(model.spec.crop, model.spec.input).crops
    reference = reference_poses(model, crops)
    meter = power_meter()
    skipped: dict[str, str] = {}
    subjects: list[_Subject] = []
    for way in ways(model.path):
        try:
            differences = {threads: check(model, way, threads, crops, reference) for threads, _ in _loads(way)}
        except BackendError as error:
            skipped[way.label] = str(error)
            continue
        subjects += [_Subject(model, way, *load, differences[load[0]]) for load in _loads(way)]
    for subject in subjects:
        yield from subject.results(crops, peaks, meter, effort, quick=quick)
    if skipped:
        yield Result("ways", {"model": model.spec.architecture, "file": model.path.name}, skipped=skipped)


def check(
    model: Model, way: Way, threads: int | None, crops: NDArray[Any], reference: Poses
) -> dict[str, float | None]:
    """Hold a way's answers against the reference's, one face at a time and in the largest batch.

    Returns:
        The geodesic differences of the latter.

    Raises:
        BackendError: this machine cannot run it so.
        WrongAnswerError: the answers differ by more than the gate's limits allow.
    """
    with way.open(model.path, threads) as engine:
        run, spec, most = backend_runner(engine._backend), engine.spec, engine._backend.max_batch
        for batch in (1, most):
            found = poses_of(run, spec, crops, batch)
            report = compare(reference, found, compared="", source="", limits=way.limits(spec))
            if not report.passed:
                raise WrongAnswerError(
                    f"model ({model.path.name}, {way.label}, batch {batch}): its angles are not those of ONNX Runtime "
                    f"on {model.reference.name}: {'; '.join(report.failures)}; nothing of this file was timed"
                )
    whole = report.result()
    return {
        "change_mean_deg": whole.mean_deg,
        "change_p99_deg": whole.p99_deg,
        "change_worst_deg": whole.worst_deg,
    }


def _loads(way: Way) -> list[tuple[int | None, int]]:
    """Threads of a run (None: all cores) and callers at the same time."""
    cores = usable_cores()
    if not way.on_cpu:
        return [(None, 1)]
    return [(1, 1), *([(None, 1), (1, cores)] if cores > 1 else [])]


@dataclass(frozen=True)
class _Subject:
    """A way to run a file on so many threads (None: all cores) for so many callers, whose answers were right."""

    model: Model
    way: Way
    threads: int | None
    callers: int
    differences: Mapping[str, float | None]

    def results(
        self, crops: NDArray[Any], peaks: Peaks, meter: PowerMeter | None, effort: Effort, *, quick: bool
    ) -> Iterator[Result]:
        """Time every batch."""
        with self.way.open(self.model.path, self.threads) as engine:
            backend = engine._backend
            most, fixed = backend.max_batch, backend.fixed_batch
            kb = footprint_kb(self.way, self.model.path, self.threads, most) if self.callers == 1 else None
            for batch in [most] if fixed else QUICK_BATCHES if quick else BATCHES:
                parameters = self._parameters(engine.spec, batch)
                if batch > most:
                    reason = f"a PoseEngine's buffers hold {most} faces; it runs more in several batches"
                    yield Result("run", parameters, skipped={self.way.label: reason})
                    continue
                calls = [_call(backend, crops, batch) for _ in range(self.callers)]
                warm = warm_up(calls[0], _QUICK_WARM_UP_S if quick else _WARM_UP_S, 0.0 if quick else _BLOCK_S)
                load = measure_load(calls, effort.seconds, effort.least_runs, effort.most_runs)
                figures = {
                    **_speed_figures(load, warm, batch),
                    **self.differences,
                    "engine_resident_kb": kb,
                    "energy_per_face_mj": None if meter is None else _energy_mj(meter, calls, batch),
                    **self._roofline_figures(engine.spec, batch, peaks, load),
                }
                yield Result("run", parameters, figures=figures)

    def _parameters(self, spec: ModelSpec, batch: int) -> dict[str, str | int]:
        return {
            "model": spec.architecture,
            "weights": "untrained" if spec.origin.checkpoint == CHECKPOINT else "trained",
            "file": self.model.path.name,
            "size": spec.input.size,
            "backend": self.way.backend,
            "device": self.way.device,
            "numbers": spec.precision,
            "floats": self.way.floats(spec),
            "threads": self.threads or "all",
            "callers": self.callers,
            "batch": batch,
        }

    def _roofline_figures(self, spec: ModelSpec, batch: int, peaks: Peaks, load: Load) -> dict[str, float | None]:
        if self.model.path.suffix.lower() in SUFFIXES:
            return {}  # a plan's layers are not to be seen
        floats = self.way.floats(spec)
        cost = read_cost(self.model.path, batch, 4 if floats == "fp32" else 2)
        threads = self.callers if self.threads == 1 else usable_cores()
        least = bound(cost, peaks, floats, threads) if self.way.on_cpu else None
        # Callers at the same time share the machine, so a run has that part of it.
        return roofline_figures(cost, least, 1e3 * load.seconds / len(load.times_ms))


def _call(backend: Backend, crops: NDArray[Any], batch: int) -> Callable[[], Any]:
    """A caller's run of the network, with buffers of its own that hold its input."""
    context = backend.context()
    context.input(batch)[...] = crops[np.arange(batch) % len(crops)]
    return lambda: context.run(batch)


def _speed_figures(load: Load, warm: WarmUp, batch: int) -> dict[str, float | None]:
    return {
        "p50_ms": load.percentile_ms(50),
        "p90_ms": load.percentile_ms(90),
        "p99_ms": load.percentile_ms(99),
        "faces_per_second": len(load.times_ms) * batch / load.seconds,
        "calls": len(load.times_ms),
        "warm_up_calls": warm.calls,
        "steady": float(warm.steady),
    }


def _energy_mj(meter: PowerMeter, calls: Sequence[Callable[[], Any]], batch: int) -> float | None:
    """Of a face, the whole board or processor over a run of two seconds; None where its total is not metered."""
    loads: list[Load] = []
    energy = meter.measure(lambda: loads.append(measure_load(calls, _ENERGY_S, 1, _MANY)))
    joules = energy.total_joules
    return None if joules is None else 1e3 * joules / (batch * len(loads[0].times_ms))


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    for architecture in dict.fromkeys(r.parameters["model"] for r in results if r.name == "run"):
        runs = [r for r in results if r.name == "run" and r.parameters["model"] == architecture and r.figures]
        best = max(runs, key=lambda result: result.figures["faces_per_second"] or 0.0)
        by, found = best.parameters, best.figures["faces_per_second"] or 0.0
        is_paper = architecture == PAPER_MODEL
        how = f"{by['backend']} {by['device']}, {by['file']}, floats in {by['floats']}, batch {by['batch']}"
        how += f", {by['callers']} callers of {by['threads']} threads, {by['weights']} weights"
        lines.append(
            BudgetLine(
                f"{architecture}, {by['size']} pixels, the most faces a second on {usable_cores()} cores",
                f">= {WANTED_FACES_PER_S} (its paper: {PAPER_FACES_PER_S} on a V100)" if is_paper else "none is set",
                f"{found:.0f} ({how})",
                found >= WANTED_FACES_PER_S if is_paper else None,
            )
        )
    unsteady = sum(result.figures.get("steady") == 0.0 for result in results)
    timed = sum(result.name == "run" and bool(result.figures) for result in results)
    lines.append(
        BudgetLine("runs that were not steady before they were timed", "none", f"{unsteady} of {timed}", not unsteady)
    )
    return lines


SUITE = Suite(
    "model",
    "the network alone, every backend by precision, batch and threads, beside the roofline",
    _add_arguments,
    _run,
    _budget,
)
