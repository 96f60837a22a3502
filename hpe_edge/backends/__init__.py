"""What runs the network: one file per library, each imported only when it is asked for."""

import os

# Some builds of ONNX Runtime report usage to their maker unless told otherwise before they are imported. What the user
# has set stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["base", "gpu_path", "options"]
