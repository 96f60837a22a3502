"""The ways in which this machine can run a model: backends, devices, and what they compute in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Limits
from hpe_edge import PoseEngine
from hpe_edge.backends.openvino.load_openvino import load_openvino, shared_core
from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.backends.tensorrt.plan_file import SUFFIXES
from hpe_edge.errors import BackendError
from hpe_edge.spec import ModelSpec

# Bfloat16 has no gate of its own, as no file is in it; like INT8 it rounds to 8 bits.
_LIMITS: dict[str, Limits] = {
    "fp32": ONNX_LIMITS,
    "fp16": FP16_LIMITS,
    "bf16": INT8_LIMITS,
    "int8": INT8_LIMITS,
    "int8+fp16": INT8_LIMITS,
}


@dataclass(frozen=True)
class Way:
    """How a model is run.

    Attributes:
        backend, device, precision: as :class:`hpe_edge.PoseEngine` takes them; precision is OpenVINO's alone.
    """

    backend: BackendName
    device: str
    precision: Precision | None = None

    @property
    def label(self) -> str:
        """Its name in tables."""
        return f"{self.backend} {self.device}{'' if self.precision is None else f' {self.precision}'}"

    @property
    def on_cpu(self) -> bool:
        """Whether the processor runs the network."""
        return self.device == "cpu"

    def open(self, path: Path, threads: int | None) -> PoseEngine:
        """An engine that runs a file this way.

        Raises:
            BackendError: this machine cannot; the message says what is missing.
        """
        return PoseEngine(
            path,
            device=self.device,
            backend=self.backend,
            precision=self.precision,
            threads=threads if self.on_cpu else None,
        )

    def numbers(self, spec: ModelSpec) -> str:
        """What a model computes in this way: where OpenVINO shortens floating point, that, else the file's numbers."""
        if self.precision in (None, "fp32") or spec.precision != "fp32":
            return spec.precision
        assert self.precision is not None
        return self.precision

    def floats(self, spec: ModelSpec) -> Precision:
        """What floating point is computed in. On a CPU ONNX Runtime computes float16 in float32."""
        if self.precision is not None:
            return self.precision
        return "fp16" if "fp16" in spec.precision and not self.on_cpu else "fp32"

    def limits(self, spec: ModelSpec) -> Limits:
        """How far its answers may be from the float32 file's, run by ONNX Runtime: the export gate's limits."""
        return _LIMITS[self.numbers(spec)]


def ways(path: Path) -> Iterator[Way]:
    """All that may run a file, also those that this machine lacks: opening says what is missing."""
    if path.suffix.lower() in SUFFIXES:
        yield Way("tensorrt", "cuda")
        return
    yield Way("onnxruntime", "cpu")
    yield Way("onnxruntime", "cuda")
    yield Way("onnxruntime-tensorrt", "cuda")
    for device in _openvino_devices():
        for precision in get_args(Precision):
            yield Way("openvino", device, precision)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _openvino_devices() -> list[str]:
    try:
        load_openvino()
    except BackendError:
        return ["cpu"]
    return [str(name).lower() for name in shared_core().available_devices]
