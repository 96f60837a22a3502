"""Loads what ONNX Runtime's NVIDIA providers link to, where pip has put it."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any


def preload(onnxruntime: Any, *, tensorrt: bool) -> str:
    """Load CUDA, cuDNN and, where asked for, TensorRT from pip's packages, if they are installed there.

    The loader does not look into Python's packages by itself. Libraries of the system are found without this.

    Args:
        onnxruntime: the module.
        tensorrt: load TensorRT as well.

    Returns:
        What could not be loaded, in ONNX Runtime's words; empty when all went well. Not an error yet: a library may lie
        where only the provider finds it.
    """
    heard = io.StringIO()
    if hasattr(onnxruntime, "preload_dlls"):  # from 1.21 on
        with contextlib.redirect_stdout(heard):  # its way of complaining
            onnxruntime.preload_dlls()
    if tensorrt and "tensorrt" not in sys.modules:  # which has loaded its own
        with contextlib.suppress(ImportError, OSError):
            __import__("tensorrt_libs")  # loads its libraries when it is imported
    return heard.getvalue().strip()
