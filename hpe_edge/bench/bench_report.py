"""Benchmark report as data, JSON and a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hpe_edge.util.console import counted

FORMAT = 1  # of the JSON; rises when a field changes its meaning or goes


@dataclass(frozen=True)
class Latency:
    """Percentiles of the calls' durations in milliseconds."""

    p50_ms: float
    p90_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Compute the percentiles of durations in seconds."""
        return cls(*(float(ms) for ms in np.percentile(1e3 * np.asarray(seconds), (50, 90, 99))))


@dataclass(frozen=True)
class Power:
    """Power during calls without pauses.

    Attributes:
        sensors: kind of sensors, see :mod:`hpe_edge.bench.power`.
        mean_watts: of the board, or of the processor where only that is metered.
        millijoules_per_face: energy per face.
    """

    sensors: str
    mean_watts: float
    millijoules_per_face: float


@dataclass(frozen=True)
class BatchResult:
    """One batch size.

    Attributes:
        faces: per call.
        network_batch: largest batch in the network.
        calls: number of timed calls.
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
        device: of the engine.
        threads: as requested; None for the backend's default.
        detector: name or file, or None.
        detect: latency of the detector on the photo, or None.
        batches: one result per batch size.
        environment: see :func:`hpe_edge.bench.environment.environment`.
        conditions: see :meth:`hpe_edge.bench.machine_state.Watch.conditions`.
        warnings: reasons why the figures may be worse than the machine allows.
    """

    model: str
    engine: str
    device: str
    threads: int | None
    detector: str | None
    detect: Latency | None
    batches: list[BatchResult]
    environment: Mapping[str, Any]
    conditions: Mapping[str, Any]
    warnings: list[str]

    def to_json(self) -> str:
        """Return the report as JSON; ``format`` comes first."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"

    def to_text(self) -> str:
        """Return the report as a table."""
        lines = [
            f"model     {self.model}",
            f"engine    {self.engine}, {_threads(self.threads)}",
            f"machine   {self._machine()}",
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
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    def _machine(self) -> str:
        hardware = self.environment["hardware"]
        devices = [gpu["name"] for gpu in hardware["gpus"] if self.device.startswith("cuda")]
        mode = [f"power mode {hardware['board']['power_mode']}"] if hardware["board"] else []
        cores = counted(hardware["cores_usable"], "core")
        load = [f"load average {self.conditions['before']['load_average'][0]:.1f}"] * bool(
            self.conditions["before"]["load_average"]
        )
        return ", ".join([hardware["cpu"], cores, *devices, *mode, *load])


def _row(faces: str, stage: str, latency: Latency) -> str:
    return f"{faces:>5}  {stage:<8}{latency.p50_ms:8.3f} ms{latency.p90_ms:8.3f} ms{latency.p99_ms:8.3f} ms"


def _threads(threads: int | None) -> str:
    return "the backend's default number of threads" if threads is None else counted(threads, "thread")
