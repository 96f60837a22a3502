"""Backends that run the network: one folder per library, imported on demand."""

import os

# Some builds of ONNX Runtime send telemetry unless this is set before they are imported. A value set by the user stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["base", "gpu_path", "options"]
