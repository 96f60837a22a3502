"""Configurations in which this machine can run a model: backend, device and precision."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from benchmarks.harness.load import resident_kb
from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Limits
from hpe_edge.backends.openvino.load_openvino import load_openvino, shared_core
from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.backends.tensorrt.plan_file import library_of
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import BackendError
from hpe_edge.spec import ModelSpec

# Bfloat16 has no gate of its own, as no file is in it; like INT8 it rounds to 8 bits.
_LIMITS = {"fp32": ONNX_LIMITS, "fp16": FP16_LIMITS, **dict.fromkeys(("bf16", "int8", "int8+fp16"), INT8_LIMITS)}
_FOOTPRINT_RUNS = 3  # after which buffers and scratch memory are allocated


@dataclass(frozen=True)
class BackendConfig:
    """Backend, device and OpenVINO's precision, as :class:`hpe_edge.PoseEngine` takes them."""

    backend: BackendName
    device: str
    precision: Precision | None = None

    @property
    def label(self) -> str:
        """Name it in tables."""
        return f"{self.backend} {self.device}{'' if self.precision is None else f' {self.precision}'}"

    @property
    def on_cpu(self) -> bool:
        """Tell whether the processor runs the network."""
        return self.device == "cpu"

    def open(self, path: Path, threads: int | None) -> PoseEngine:
        """Open an engine; raises BackendError, which says what this machine lacks."""
        settings = {"device": self.device, "backend": self.backend, "precision": self.precision}
        return PoseEngine(path, **settings, threads=threads if self.on_cpu else None)  # type: ignore[arg-type]

    def computes_in(self, spec: ModelSpec) -> str:
        """Return the precision of a run: the file's, or OpenVINO's where that is shorter."""
        if self.precision in (None, "fp32") or spec.precision != "fp32":
            return spec.precision
        assert self.precision is not None
        return self.precision

    def floats(self, spec: ModelSpec) -> Precision:
        """Return the precision of floating point. On a CPU ONNX Runtime computes float16 in float32."""
        if self.precision is not None:
            return self.precision
        return "fp16" if "fp16" in spec.precision and not self.on_cpu else "fp32"

    def limits(self, spec: ModelSpec) -> Limits:
        """Return the export gate's limits against ONNX Runtime on the float32 file."""
        return _LIMITS[self.computes_in(spec)]

    def footprint_kb(self, path: Path, threads: int | None, faces: int) -> float | None:
        """Measure what an engine adds to the resident memory, in a process of its own; None where it does not start."""
        asked = json.dumps([self.backend, self.device, self.precision, str(path), threads, faces])
        command = [sys.executable, "-m", "benchmarks.inputs.backend_config", asked]
        done = subprocess.run(command, capture_output=True, text=True)
        return float(done.stdout) if done.returncode == 0 and done.stdout.strip() else None


def backend_configs(path: Path) -> Iterator[BackendConfig]:
    """Yield all that may run a file, also those that this machine lacks: opening says what is missing."""
    if library := library_of(path):
        yield BackendConfig(library, "cuda")
        return
    yield BackendConfig("onnxruntime", "cpu")
    yield BackendConfig("onnxruntime", "cuda")
    yield BackendConfig("onnxruntime-tensorrt", "cuda")
    for device in _openvino_devices():
        for precision in get_args(Precision):
            yield BackendConfig("openvino", device, precision)


def is_plan(path: Path) -> bool:
    """Tell whether a file is a plan of TensorRT or TensorRT-RTX, by its name."""
    return library_of(path) is not None


def _openvino_devices() -> list[str]:
    try:
        load_openvino()
    except BackendError:
        return ["cpu"]
    return [str(name).lower() for name in shared_core().available_devices]


def _print_footprint(asked: str) -> None:
    import numpy as np

    backend, device, precision, path, threads, faces = json.loads(asked)
    before_kb = resident_kb()
    frame, boxes = np.zeros((64, 64, 3), np.uint8), [[16, 16, 48, 48]] * faces
    with BackendConfig(backend, device, precision).open(Path(path), threads) as engine:
        for _ in range(_FOOTPRINT_RUNS):
            engine(frame, boxes)
        after_kb = resident_kb()
    print("" if before_kb is None or after_kb is None else after_kb - before_kb)


if __name__ == "__main__":
    _print_footprint(sys.argv[1])
