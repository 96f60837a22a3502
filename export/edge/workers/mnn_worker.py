"""MNN: converted and run by its package.

The converter is called in its module, because the program ``mnnconvert`` installs a package for telemetry and reports
each conversion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import _tools
import MNN
import MNN.expr
import numpy as np


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Write the .mnn file."""
    (file,) = job["files"]
    arguments = ["mnnconvert", "-f", "ONNX", "--modelFile", job["model"], "--MNNModel", file, "--bizCode", "hpe_edge"]
    _tools.mnnconvert([*arguments, *(["--fp16"] if job["fp16"] else [])])
    if not Path(file).is_file():  # it returns success all the same
        raise RuntimeError("the converter wrote nothing")
    return {"tools": {"MNN": MNN.version()}, "input": job["input"], "outputs": job["outputs"]}


def load(job: dict[str, Any]) -> Any:
    """Load the file; batches of any size."""
    settings = {"backend": "CPU", "numThread": 1, **job["settings"]}
    manager = MNN.nn.create_runtime_manager((settings,))
    (file,) = job["files"]
    net = MNN.nn.load_module_from_file(file, [job["input"]], job["outputs"], runtime_manager=manager)
    expr = MNN.expr

    def run(batch: Any) -> list[Any]:
        image = expr.placeholder(list(batch.shape), expr.NCHW)
        image.write(batch)
        planes = [expr.convert(out, expr.NCHW) for out in net.forward([image])]
        return [np.array(each.read()) for each in planes]  # read gives a view, which does not keep its tensor

    return run
