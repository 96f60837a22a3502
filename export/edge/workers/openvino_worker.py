"""OpenVINO's intermediate representation: converted and run by its package."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # the import would report to Intel
openvino = importlib.import_module("openvino")


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Write the .xml and .bin file."""
    graph = openvino.convert_model(job["model"])
    openvino.save_model(graph, job["files"][0], compress_to_fp16=job["fp16"])
    version = openvino.get_version().partition("-")[0]
    return {"tools": {"openvino": version}, "input": job["input"], "outputs": job["outputs"]}


def load(job: dict[str, Any]) -> Any:
    """Load the files; batches as the graph takes them."""
    settings = {"INFERENCE_NUM_THREADS": "1", "ENABLE_CPU_PINNING": "NO", **job["settings"]}
    compiled = openvino.Core().compile_model(job["files"][0], "CPU", settings)
    request = compiled.create_infer_request()
    ends = [compiled.output(name) for name in job["outputs"]]

    def run(batch: Any) -> list[Any]:
        answer = request.infer({job["input"]: batch})
        return [np.array(answer[end]) for end in ends]

    return run
