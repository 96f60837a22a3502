"""The embedded models; README.md and face_detector.md are their cards, with accuracy and training data."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent
"""Folder of the models."""

DEFAULT = FOLDER / "student-v2.onnx"
"""The embedded model, for export steps, GPUs and runtime libraries."""

NATIVE = FOLDER / "student-v2.hpe"
"""The same for native code, in FP32: what ``PoseEngine()`` runs on the CPU."""

NATIVE_INT8 = FOLDER / "student-v2-int8.hpe"
"""The same in INT8, with the same answers to the bit on every processor."""

WEIGHTS = FOLDER / "student-v2.pth"
"""Trained weights that it was exported from."""

DEFAULT_NAME = f"the embedded default, {DEFAULT.stem}"
"""Its name in messages."""

FACE_DETECTOR = FOLDER / "face-detector.onnx"
"""The embedded face detector."""

FACE_DETECTOR_NATIVE = FOLDER / "face-detector.hpe"
"""The same for native code, which finds the same faces where ONNX Runtime, which is faster, is not installed."""


def find_model(model: str | os.PathLike[str] | None, *, native: bool) -> Path:
    """Path of a model's file.

    Args:
        model: a file, or the name of the embedded model or of its INT8 form where no file has it; None: the embedded
            model.
        native: native code may run it.
    """
    if model is None:
        return NATIVE if native else DEFAULT
    name = os.fspath(model)
    if name not in (DEFAULT.stem, NATIVE_INT8.stem) or Path(model).exists():
        return Path(model)
    return NATIVE_INT8 if name == NATIVE_INT8.stem else find_model(None, native=native)
