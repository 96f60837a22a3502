"""Pythons with the converters. The variables name those of other environments; see .ci/run."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from python_of import PythonOf

pytest.importorskip("onnx", reason="the tests of the converters need onnx")

VARIABLES = {
    "ncnn": "HPE_EDGE_NCNN_PYTHON",
    "mnn": "HPE_EDGE_MNN_PYTHON",
    "openvino-ir": "HPE_EDGE_OPENVINO_PYTHON",
    "tflite": "HPE_EDGE_TFLITE_PYTHON",
    "rknn": "HPE_EDGE_RKNN_PYTHON",
}
MODULES = {
    "ncnn": ("pnnx", "ncnn"),
    "mnn": ("MNN",),
    "openvino-ir": ("openvino",),
    "tflite": ("onnx2tf", "ai_edge_litert"),
    "rknn": ("rknn",),
}


@pytest.fixture(scope="session")
def python_of() -> PythonOf:
    """The Python with a target's converter; None is this one. Skips where there is none."""

    def find(target: str) -> Path | None:
        named = os.environ.get(VARIABLES[target])
        if named:
            return Path(named)
        if not all(importlib.util.find_spec(name) for name in MODULES[target]):
            pytest.skip(f"needs the converter: {VARIABLES[target]} names the Python of its environment")
        return None

    return find
