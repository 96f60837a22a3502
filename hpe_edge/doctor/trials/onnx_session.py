"""Runs one node with a named provider of ONNX Runtime and prints as JSON how that went. Run in a process of its own.

Whether a provider is listed says only how the package was built; whether it starts depends on driver, CUDA, cuDNN and
TensorRT, and the way to know is to start it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[3])  # where hpe_edge lies, in place of this folder

from hpe_edge.backends.onnx.open_session import preload  # noqa: E402
from hpe_edge.doctor.trials.relu import RELU  # noqa: E402


def attempt(provider: str) -> dict[str, Any]:
    """Start and run.

    Returns:
        ``version`` and ``providers`` of the package; ``works``, and where it is false, ``problem``.
    """
    import numpy as np
    import onnxruntime

    answer: dict[str, Any] = {
        "version": onnxruntime.__version__,
        "providers": onnxruntime.get_available_providers(),
        "cuda": getattr(onnxruntime, "cuda_version", "") or "",
        "works": False,
    }
    if provider not in answer["providers"]:
        return {**answer, "problem": f"this package was built without {provider}"}
    if provider != "CPUExecutionProvider":
        preload(onnxruntime, tensorrt=provider == "TensorrtExecutionProvider")
    try:
        session = onnxruntime.InferenceSession(RELU, providers=[provider], enable_fallback=0)
        used = session.get_providers()
        values = np.array([[-1, 0, 1, 2]], np.float32)
        right = bool((session.run(None, {"x": values})[0] == values.clip(0)).all())
    except Exception as error:  # ONNX Runtime's errors share no base class
        return {**answer, "problem": str(error).strip() or type(error).__name__}
    if provider not in used:
        return {**answer, "problem": "it does not start"}
    if not right:
        return {**answer, "problem": "it computes wrong results"}
    return {**answer, "works": True}


def main() -> None:
    """Print the answer."""
    try:
        answer = attempt(sys.argv[1])
    except ImportError as error:
        answer = {"problem": f"cannot import onnxruntime: {error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
