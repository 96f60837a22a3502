"""A TensorRT engine's file and description, whose plan no TensorRT reads."""

from __future__ import annotations

from pathlib import Path

from tiny_model import tiny_spec

from hpe_edge.backends.tensorrt.plan_file import EngineInfo, digest, sidecar


def write_engine(path: Path, profile: tuple[int, int, int] = (1, 4, 16)) -> Path:
    plan = b"plan"
    path.write_bytes(plan)
    info = EngineInfo(
        spec=tiny_spec(),
        tensorrt="10.3.0",
        gpu="Orin",
        compute_capability="8.7",
        precision="fp16",
        profile=profile,
        plan_bytes=len(plan),
        plan_sha256=digest(plan),
        rebuild="hpe-edge export trt",
    )
    sidecar(path).write_text(info.to_json(), encoding="utf-8")
    return path
