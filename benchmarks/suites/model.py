"""Suite ``model``: the network alone, every backend of this machine by precision, batch size and threads.

Before a configuration is timed, its poses on crops of real faces are compared with ONNX Runtime's on the float32 file,
decoded by NumPy, within the accuracy gate's limits for its precision. Beyond them the suite fails and nothing is
written. Every run is warmed up until it is steady, and its input is ready. ``callers`` are concurrent threads with
buffers of their own, one per core: the machine's throughput. Each run on the processor has its roofline, see
:mod:`benchmarks.hardware.roofline`.

An architecture named by ``--arch`` has untrained weights: its angles are meaningless, but all backends must agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.chains import rotations
from benchmarks.baselines.plain_pipelines import PlainDecode
from benchmarks.hardware.roofline import Peaks, bound, cost_figures, measure_peaks, read_costs
from benchmarks.hardware.roofline import roofline_figures as figures_of_roofline
from benchmarks.harness.load import Load, WarmUp, measure_load, warm_up
from benchmarks.harness.suite import BudgetLine, Suite, default_or, option, path_option
from benchmarks.harness.timing import Effort, Result, WrongAnswerError
from benchmarks.inputs.backend_config import BackendConfig, backend_configs, is_plan
from benchmarks.inputs.generated_models import CHECKPOINT, make_int8, make_untrained
from benchmarks.inputs.model_variant import ModelFile, find_models
from export.gate.crops import gate_faces
from export.gate.gate import backend_runner, compare, poses_of
from hpe_edge import Poses
from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.bench.power import PowerMeter, power_meter
from hpe_edge.errors import BackendError
from hpe_edge.spec import BinsDecode, ModelSpec
from hpe_edge.util.cores import usable_cores
from tools.graph_cost import GraphCost

BATCHES, QUICK_BATCHES = (1, 2, 4, 8, 16), (1, 8)
LARGEST_KINDS = 6  # of layers, that the table of costs names
PAPER_MODEL, PAPER_FACES_PER_S = "ehpnet", 300  # on a V100, Thai et al., 2022, arXiv:2210.13705
WANTED_FACES_PER_S = 1000
_WARM_UP_S, _QUICK_WARM_UP_S, _BLOCK_S = 5.0, 0.05, 0.1
_ENERGY_S, _MANY = 2.0, 1_000_000

Parameters = dict[str, str | int]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Options:
    model: Sequence[Path] = path_option(
        "ONNX files or TensorRT engines, each with its float32 ONNX file; default: the embedded one", (), nargs="+"
    )
    arch: Sequence[str] = option(
        "architectures of hpe-edge export onnx --list, untrained, in float32 and INT8", (), nargs="+", metavar="NAME"
    )


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        paths = list(options.model)
        for architecture in options.arch:
            paths.append(make_untrained(architecture, Path(folder)))
            paths.append(make_int8(paths[-1]))
        models = find_models(paths or [default_or(None)])
        peaks = measure_peaks(sorted({1, usable_cores()}), quick=effort.quick)
        for threads, figures in peaks.figures.items():
            yield Result("peaks", {"threads": threads}, figures=figures)
        for model in models:
            if not is_plan(model.path):
                yield from _cost_results(model)
            yield from _model_results(model, peaks, effort)


def _cost_results(model: ModelFile) -> Iterator[Result]:
    """Yield the graph's cost, then that of its most costly kinds of layers."""
    costs = read_costs(model.path, 1)
    parameters: Parameters = {"model": model.spec.architecture, "file": model.path.name}
    for kind, part in list(costs.items())[: LARGEST_KINDS + 1]:
        more = cost_figures(part) if kind == "all" else {}
        yield Result("cost", {**parameters, "layers": kind}, figures={**_layer_figures(part, costs["all"]), **more})


def _layer_figures(part: GraphCost, whole: GraphCost) -> Figures:
    return {
        "layers": len(part.layers),
        "mmacs": part.macs / 1e6,
        "int8_mmacs": part.int8_macs / 1e6,
        "weights_kb": part.weight_bytes / 1024,
        "activations_kb": part.activation_bytes / 1024,
        "macs_share_percent": 100 * part.macs / whole.macs if whole.macs else None,
        "bytes_share_percent": 100 * part.bytes / whole.bytes,
    }


def _model_results(model: ModelFile, peaks: Peaks, effort: Effort) -> Iterator[Result]:
    crops = gate_faces(model.spec.crop, model.spec.input).crops
    reference = reference_poses(model, crops)
    meter = power_meter()
    skipped: dict[str, str] = {}
    runs: list[_Run] = []
    for config in backend_configs(model.path):
        try:
            differences = {threads: check(model, config, threads, crops, reference) for threads, _ in _loads(config)}
        except BackendError as error:
            skipped[config.label] = str(error)
            continue
        runs += [_Run(model, config, *load, differences[load[0]]) for load in _loads(config)]
    for run in runs:
        yield from run.results(crops, peaks, meter, effort)
    if skipped:
        yield Result("backends", {"model": model.spec.architecture, "file": model.path.name}, skipped=skipped)


def reference_poses(model: ModelFile, crops: NDArray[Any]) -> Poses:
    """Run the float32 file by ONNX Runtime's plain call, and decode by NumPy where the heads are bins.

    Heads of other kinds are decoded by the engine's own operation, which the suite ``ops`` compares with NumPy.
    """
    session, spec = open_session(model.reference, 1), model.spec

    def run(part: NDArray[Any]) -> list[NDArray[np.float32]]:
        return [np.asarray(array, np.float32) for array in session.run(spec.outputs, {spec.input.name: part})]

    fixed = session.get_inputs()[0].shape[0]
    batch = fixed if isinstance(fixed, int) else 1
    if not isinstance(spec.decode, BinsDecode):
        return poses_of(run, spec, crops, batch)
    decode = PlainDecode(spec, model.reference)
    angles = np.concatenate([decode(run(crops[at : at + batch])) for at in range(0, len(crops), batch)])
    angles = angles.astype(np.float32)
    return Poses(angles, np.full_like(angles, np.nan), rotations(angles))


def check(
    model: ModelFile, config: BackendConfig, threads: int | None, crops: NDArray[Any], reference: Poses
) -> Figures:
    """Compare poses with the reference, one face at a time and in the largest batch; the latter's differences.

    Raises:
        BackendError: this machine cannot run it so.
        WrongAnswerError: the poses differ by more than the gate's limits allow.
    """
    with config.open(model.path, threads) as engine:
        run, spec, most = backend_runner(engine._backend), engine.spec, engine._backend.max_batch
        for batch in (1, most):
            found = poses_of(run, spec, crops, batch)
            report = compare(reference, found, compared="", source="", limits=config.limits(spec))
            if not report.passed:
                raise WrongAnswerError(
                    f"model ({model.path.name}, {config.label}, batch {batch}): its angles differ from ONNX "
                    f"Runtime's on {model.reference.name}: {'; '.join(report.failures)}; nothing of this file was timed"
                )
    whole = report.result()
    return {"change_mean_deg": whole.mean_deg, "change_p99_deg": whole.p99_deg, "change_worst_deg": whole.worst_deg}


def _loads(config: BackendConfig) -> list[tuple[int | None, int]]:
    """Return threads of a run (None: all cores) and callers at the same time."""
    cores = usable_cores()
    if not config.on_cpu:
        return [(None, 1)]
    return [(1, 1), *([(None, 1), (1, cores)] if cores > 1 else [])]


@dataclass(frozen=True)
class _Run:
    """A verified file in a configuration, with threads (None: all cores) and concurrent callers."""

    model: ModelFile
    config: BackendConfig
    threads: int | None
    callers: int
    differences: Mapping[str, float | None]

    def results(self, crops: NDArray[Any], peaks: Peaks, meter: PowerMeter | None, effort: Effort) -> Iterator[Result]:
        """Time every batch size."""
        path = self.model.path
        warm_up_s, block_s = (_QUICK_WARM_UP_S, 0.0) if effort.quick else (_WARM_UP_S, _BLOCK_S)
        with self.config.open(path, self.threads) as engine:
            backend = engine._backend
            most, fixed = backend.max_batch, backend.fixed_batch
            kb = self.config.footprint_kb(path, self.threads, most) if self.callers == 1 else None
            for batch in [most] if fixed else QUICK_BATCHES if effort.quick else BATCHES:
                parameters = self._parameters(engine.spec, batch)
                if batch > most:
                    reason = f"a PoseEngine's buffers hold {most} faces; it runs more in several batches"
                    yield Result("run", parameters, skipped={self.config.label: reason})
                    continue
                calls: list[Callable[[], Any]] = []
                for _ in range(self.callers):  # each with buffers of its own
                    context = backend.context()
                    context.input(batch)[...] = crops[np.arange(batch) % len(crops)]
                    calls.append(lambda context=context, batch=batch: context.run(batch))  # type: ignore[misc]
                warm = warm_up(calls[0], warm_up_s, block_s)
                load = measure_load(calls, effort.seconds, effort.least_runs, effort.most_runs)
                figures = {
                    **_speed_figures(load, warm, batch),
                    **self.differences,
                    "engine_resident_kb": kb,
                    "energy_per_face_mj": None if meter is None else energy_mj(meter, calls, batch),
                    **self._roofline_figures(engine.spec, batch, peaks, load),
                }
                yield Result("run", parameters, figures=figures)

    def _parameters(self, spec: ModelSpec, batch: int) -> Parameters:
        return {
            "model": spec.architecture,
            "weights": "untrained" if spec.origin.checkpoint == CHECKPOINT else "trained",
            "file": self.model.path.name,
            "size": spec.input.size,
            "backend": self.config.backend,
            "device": self.config.device,
            "numbers": spec.precision,
            "floats": self.config.floats(spec),
            "threads": self.threads or "all",
            "callers": self.callers,
            "batch": batch,
        }

    def _roofline_figures(self, spec: ModelSpec, batch: int, peaks: Peaks, load: Load) -> Figures:
        if is_plan(self.model.path):
            return {}  # a plan's layers cannot be read
        floats = self.config.floats(spec)
        cost = read_costs(self.model.path, batch, 4 if floats == "fp32" else 2)["all"]
        threads = self.callers if self.threads == 1 else usable_cores()
        least = bound(cost, peaks, floats, threads) if self.config.on_cpu else None
        # Concurrent callers share the machine: time per run over all callers.
        return figures_of_roofline(cost, least, 1e3 * load.seconds / len(load.times_ms))


def _speed_figures(load: Load, warm: WarmUp, batch: int) -> Figures:
    return {
        **{f"p{percent}_ms": load.percentile_ms(percent) for percent in (50, 90, 99)},
        "faces_per_second": len(load.times_ms) * batch / load.seconds,
        "calls": len(load.times_ms),
        "warm_up_calls": warm.calls,
        "steady": float(warm.steady),
    }


def energy_mj(meter: PowerMeter, calls: Sequence[Callable[[], Any]], batch: int) -> float | None:
    """Measure the energy of a face over two seconds, of the whole board or processor; None where it has no meter."""
    loads: list[Load] = []
    energy = meter.measure(lambda: loads.append(measure_load(calls, _ENERGY_S, 1, _MANY)))
    joules = energy.total_joules
    return None if joules is None else 1e3 * joules / (batch * len(loads[0].times_ms))


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    timed = [result for result in results if result.name == "run" and result.figures]
    for architecture in dict.fromkeys(r.parameters["model"] for r in results if r.name == "run"):
        runs = [result for result in timed if result.parameters["model"] == architecture]
        best = max(runs, key=lambda result: result.figures["faces_per_second"] or 0.0)
        by, found = best.parameters, best.figures["faces_per_second"] or 0.0
        how = f"{by['backend']} {by['device']}, {by['file']}, floats in {by['floats']}, batch {by['batch']}"
        how += f", {by['callers']} callers of {by['threads']} threads, {by['weights']} weights"
        what = f"{architecture}, {by['size']} pixels, the most faces a second on {usable_cores()} cores"
        limit, met = "none is set", None
        if architecture == PAPER_MODEL:
            limit = f">= {WANTED_FACES_PER_S} (its paper: {PAPER_FACES_PER_S} on a V100)"
            met = found >= WANTED_FACES_PER_S
        lines.append(BudgetLine(what, limit, f"{found:.0f} ({how})", met))
    unsteady = sum(result.figures.get("steady") == 0.0 for result in results)
    what = "runs that were not steady before they were timed"
    return [*lines, BudgetLine(what, "none", f"{unsteady} of {len(timed)}", not unsteady)]


SUITE = Suite("model", "the network by backend, precision, batch size and threads", _run, Options, _budget)
