"""Results of a benchmark as data, JSON and a table, with the state of the machine in brief."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime

from hpe_edge.doctor.host import probe_jetson, probe_processor
from hpe_edge.doctor.machine import Machine, ThisMachine, guarded
from hpe_edge.doctor.nvidia import probe_gpu
from hpe_edge.util.console import counted
from hpe_edge.version import __version__

FORMAT = 1  # of the JSON; rises when a field changes its meaning or goes
_BUSY = 0.5  # load average per core from which other programs spoil the figures
_CPUFREQ = "/sys/devices/system/cpu/cpu0/cpufreq"


@dataclass(frozen=True)
class Latency:
    """Percentiles of the calls' durations in milliseconds."""

    p50_ms: float
    p90_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Make it from durations in seconds."""
        return cls(*(float(ms) for ms in np.percentile(1e3 * np.asarray(seconds), (50, 90, 99))))


@dataclass(frozen=True)
class Power:
    """Power during calls without pause.

    Attributes:
        sensors: which were read, see :mod:`hpe_edge.bench.power`.
        mean_watts: of the board, or of the processor where only that is metered.
        millijoules_per_face: the same energy over the faces.
    """

    sensors: str
    mean_watts: float
    millijoules_per_face: float


@dataclass(frozen=True)
class BatchResult:
    """One batch size.

    Attributes:
        faces: per call.
        network_batch: how many of them go through the network at once.
        calls: how many were timed.
        stages: the engine's stages, and "total": a call from frame and boxes to poses, timed apart from the stages.
        faces_per_s: over all timed calls.
        power: None where no sensor can be read.
    """

    faces: int
    network_batch: int
    calls: int
    stages: dict[str, Latency]
    faces_per_s: float
    power: Power | None


@dataclass(frozen=True)
class BenchReport:
    """A benchmark of one model.

    Attributes:
        model: file, or the name of the embedded model.
        engine: architecture, input size, backend and device.
        device: as the engine names it.
        threads: that were asked for; None left it to the backend.
        detector: file, or None.
        detect: a call of the detector on the photo, or None.
        batches: by batch size.
        machine: see :func:`machine_state`, before the first call.
        load_average_after: of the last minute, at the end.
    """

    model: str
    engine: str
    device: str
    threads: int | None
    detector: str | None
    detect: Latency | None
    batches: list[BatchResult]
    machine: dict[str, Any]
    load_average_after: float | None

    def to_json(self) -> str:
        """Return the report as JSON; ``format`` comes first."""
        versions = {
            "hpe_edge": __version__,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
        }
        return json.dumps({"format": FORMAT, "versions": versions, **asdict(self)}, indent=2) + "\n"

    def to_text(self) -> str:
        """Return the report as a table."""
        lines = [
            f"model     {self.model}",
            f"engine    {self.engine}, {_threads(self.threads)}",
            *(f"{name.partition('_')[0]:<10}{value}" for name, value in self.machine.items() if value is not None),
            "",
            f"{'faces':>5}  {'stage':<8}{'p50':>11}{'p90':>11}{'p99':>11}",
        ]
        if self.detect is not None:
            lines.append(_row("", "detect", self.detect))
        for batch in self.batches:
            for stage, latency in batch.stages.items():
                rate = f"  {batch.faces_per_s:8.0f} faces/s" if stage == "total" else ""
                lines.append(_row(str(batch.faces), stage, latency) + rate)
            if batch.power is not None:
                watts, joules = batch.power.mean_watts, batch.power.millijoules_per_face
                lines.append(
                    f"{batch.faces:5}  {'power':<8}{watts:9.1f} W  {joules:.2f} mJ per face ({batch.power.sensors})"
                )
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings())])

    def warnings(self) -> list[str]:
        """Return reasons why the figures may be worse than the machine allows."""
        load, cores = self.machine["load_average"], self.machine["cores"]
        if load is not None and load > _BUSY * cores:
            return [
                f"other programs were running (load average {load:.1f} on {cores} cores); stop them and measure again"
            ]
        return []


def load_average() -> float | None:
    """Return the load average of the last minute; None where the system has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def machine_state(device: str, machine: Machine | None = None) -> dict[str, Any]:
    """Return processor, cores, load, clock and, where they apply, power mode and GPU; None where unknown.

    Args:
        device: of the engine; a GPU is looked for only where it names one.
        machine: None for this one.
    """
    machine = machine or ThisMachine()
    processor, jetson = guarded(probe_processor, machine), guarded(probe_jetson, machine)
    governor, clock_khz = (machine.read(f"{_CPUFREQ}/{name}") for name in ("scaling_governor", "scaling_cur_freq"))
    return {
        "processor": processor.facts.get("model") or platform.machine(),
        "cores": processor.facts.get("cores") or os.cpu_count() or 1,
        "load_average": load_average(),
        "governor": governor.strip() if governor else None,
        "clock_mhz": int(clock_khz) // 1000 if clock_khz else None,
        "board": jetson.text if jetson.found else None,
        "gpu": guarded(probe_gpu, machine).text if device.startswith("cuda") else None,
    }


def _row(faces: str, stage: str, latency: Latency) -> str:
    return f"{faces:>5}  {stage:<8}{latency.p50_ms:8.3f} ms{latency.p90_ms:8.3f} ms{latency.p99_ms:8.3f} ms"


def _threads(threads: int | None) -> str:
    return "the backend's default of threads" if threads is None else counted(threads, "thread")
