"""A TensorRT engine of the tiny network, on the doubles of CUDA and TensorRT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
from fake_tensorrt import fake_plan
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge.backends.tensorrt.plan_file import EngineInfo, digest, sidecar
from hpe_edge.spec import SigmaCalibration


def write_engine(
    folder: Path, profile: tuple[int, int, int] = (1, 4, 16), sigma: SigmaCalibration | None = None
) -> Path:
    """Write ``tiny.onnx``, and ``tiny.engine`` with its description, which the doubles load."""
    plan = fake_plan(onnx.load(write_tiny_model(folder / "tiny.onnx")), "10.3.0", profile)
    info = EngineInfo(
        spec=replace(tiny_spec(), sigma=sigma),
        tensorrt="10.3.0",
        gpu="Fake GPU",
        compute_capability="8.7",
        precision="fp16",
        profile=profile,
        plan_bytes=len(plan),
        plan_sha256=digest(plan),
        rebuild="hpe-edge export trt tiny.onnx",
    )
    path = folder / "tiny.engine"
    path.write_bytes(plan)
    sidecar(path).write_text(info.to_json())
    return path
