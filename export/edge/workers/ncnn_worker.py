"""ncnn: converted by pnnx, run by the ncnn package."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import ncnn
import numpy as np


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Write the .param and .bin file."""
    found = importlib.util.find_spec("pnnx")  # without importing it, which would import torch
    if found is None or not found.submodule_search_locations:
        raise ImportError("No module named 'pnnx'")
    program = Path(found.submodule_search_locations[0]) / "pnnx"
    size = job["size"]
    shape = f"inputshape=[1,3,{size},{size}]"
    made = Path(job["model"]).with_suffix("")
    command = [str(program), job["model"], shape, f"fp16={int(job['fp16'])}"]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise RuntimeError(f"pnnx ended with status {done.returncode}")
    for suffix, file in zip((".ncnn.param", ".ncnn.bin"), job["files"], strict=True):
        Path(f"{made}{suffix}").replace(file)
    return {
        "tools": {name: importlib.metadata.version(name) for name in ("pnnx", "ncnn")},
        "input": "in0",
        "outputs": [f"out{job['graph_outputs'].index(name)}" for name in job["outputs"]],
    }


def load(job: dict[str, Any]) -> Any:
    """Load the files; one face per run."""
    net = ncnn.Net()
    net.opt.num_threads = 1
    for name, value in job["settings"].items():
        setattr(net.opt, name, value)
    param, weights = job["files"]
    if net.load_param(param) or net.load_model(weights):
        raise RuntimeError("ncnn does not load what pnnx wrote")
    names = [f"out{job['graph_outputs'].index(name)}" for name in job["outputs"]]

    def run(batch: Any) -> list[Any]:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(batch[0]))
        answers = []
        for name in names:
            status, out = extractor.extract(name)
            if status:
                raise RuntimeError(f"ncnn fails with status {status} at the output {name}")
            answers.append(np.array(out)[None])
        return answers

    return run
