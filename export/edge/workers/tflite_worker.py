"""TensorFlow Lite: converted by onnx2tf without TensorFlow, run by LiteRT."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Write the .tflite file."""
    folder = Path(job["model"]).with_name("onnx2tf")
    # Not simplified anew; names and planes as in the ONNX file.
    options = ["-i", job["model"], "-o", str(folder), "-n", "-coion", "-k", job["input"]]
    version = importlib.metadata.version("onnx2tf")  # a missing package is told from a failed conversion
    done = subprocess.run([sys.executable, "-m", "onnx2tf", *options], check=False)
    found = sorted(folder.glob("*_float32.tflite"))
    if done.returncode or len(found) != 1:
        raise RuntimeError(f"onnx2tf ended with status {done.returncode} and {len(found)} files")
    found[0].replace(job["files"][0])
    tools = {"onnx2tf": version, "ai-edge-litert": importlib.metadata.version("ai-edge-litert")}
    return {"tools": tools, "input": job["input"], "outputs": job["outputs"]}


def load(job: dict[str, Any]) -> Any:
    """Load the file; one face per run."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=job["files"][0], num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    there = {each["name"]: each["index"] for each in interpreter.get_output_details()}
    missing = [name for name in job["outputs"] if name not in there]
    if given["name"] != job["input"] or missing or list(given["shape"][1:]) != [3, job["size"], job["size"]]:
        raise RuntimeError(f"onnx2tf changed the names or the input: {given['name']} {given['shape']}, {list(there)}")

    def run(batch: Any) -> list[Any]:
        interpreter.set_tensor(given["index"], batch)
        interpreter.invoke()
        return [np.array(interpreter.get_tensor(there[name])) for name in job["outputs"]]

    return run
