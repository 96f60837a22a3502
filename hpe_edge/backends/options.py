"""Options that choose how a network is run; imported by the command line, so nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from hpe_edge.errors import BackendError, InputError

BackendName = Literal["onnxruntime", "onnxruntime-tensorrt", "tensorrt", "tensorrt-rtx", "openvino", "native"]
Precision = Literal["fp32", "bf16", "fp16"]
CropDevice = Literal["cpu", "cuda"]


def check_choice(option: str, value: object, choices: Any) -> None:
    """Refuse a value that is neither None nor one of the strings of a Literal.

    Raises:
        InputError: it is something else.
    """
    if value not in (None, *get_args(choices)):
        raise InputError(f"{option} must be one of {', '.join(get_args(choices))}, got {value!r}")


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that is not a positive integer.

    Raises:
        InputError: it is below 1, or no whole number.
    """
    if threads is not None and (type(threads) is not int or threads < 1):
        raise InputError(f"threads must be a whole number from 1 on, got {threads!r}")


def without_onnx_runtime(path: Path, error: ModuleNotFoundError) -> Exception:
    """Return what to raise for a file where a module is missing; ``error`` itself if it is not ONNX Runtime."""
    if error.name != "onnxruntime":
        return error
    return BackendError(
        f"{path} needs ONNX Runtime, which is not installed: run pip install 'hpe-edge[onnxruntime]'. The embedded "
        "models and .hpe files run on the CPU without it"
    )
