"""TensorFlow Lite to ONNX by tf2onnx; the .tflite file is run by TensorFlow."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from typing import Any

_OPSET = "17"


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """Write the .onnx file."""
    version = importlib.metadata.version("tf2onnx")  # a missing package is told from a failed conversion
    import tensorflow

    command = [sys.executable, "-m", "tf2onnx.convert", "--tflite", job["model"], "--output", job["files"][0]]
    done = subprocess.run([*command, "--opset", _OPSET], check=False, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    if done.returncode:
        raise RuntimeError(f"tf2onnx ended with status {done.returncode}")
    return {"tools": {"tf2onnx": version, "tensorflow": str(tensorflow.__version__)}}


def load(job: dict[str, Any]) -> Any:
    """Load the .tflite file; the pictures are in its own layout."""
    from tensorflow import lite

    interpreter = lite.Interpreter(model_path=job["model"], num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    there = {each["name"]: each["index"] for each in interpreter.get_output_details()}

    def run(batch: Any) -> list[Any]:
        interpreter.set_tensor(given["index"], batch.astype(given["dtype"]))
        interpreter.invoke()
        return [interpreter.get_tensor(there[name]) for name in job["outputs"]]

    return run
