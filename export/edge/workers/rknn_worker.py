"""RKNN: converted by rknn-toolkit2, run by its simulator.

The simulator runs the graph that the toolkit has just built; it does not read .rknn files, which only a board does.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
from rknn.api import RKNN

_built: list[Any] = []


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Write the .rknn file and keep the toolkit's object for ``load``."""
    rknn = RKNN(verbose=False)
    _require(rknn.config(target_platform=job["platform"]), "config")
    _require(rknn.load_onnx(model=job["model"]), "load_onnx")
    _require(rknn.build(do_quantization=False), "build")
    _require(rknn.export_rknn(job["files"][0]), "export_rknn")
    _built.append(rknn)
    return {
        "tools": {"rknn-toolkit2": importlib.metadata.version("rknn-toolkit2")},
        "input": job["input"],
        "outputs": job["outputs"],
    }


def load(job: dict[str, Any]) -> Any:
    """Start the simulator; one face per run."""
    rknn = _built[0]
    _require(rknn.init_runtime(), "init_runtime")
    order = [job["graph_outputs"].index(name) for name in job["outputs"]]

    def run(batch: Any) -> list[Any]:
        answers = rknn.inference(inputs=[batch], data_format=["nchw"])
        if answers is None:
            raise RuntimeError("the simulator gives no answer")
        return [np.array(answers[index]) for index in order]

    return run


def _require(status: int, step: str) -> None:
    if status:
        raise RuntimeError(f"rknn-toolkit2's {step} fails with status {status}")
