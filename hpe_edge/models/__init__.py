"""The embedded models; README.md and face_detector.md are their cards, with accuracy and training data."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent
"""Folder of the models."""

DEFAULT = FOLDER / "student-v2.onnx"
"""Model of ``PoseEngine()``."""

WEIGHTS = FOLDER / "student-v2.pth"
"""Trained weights that it was exported from."""

DEFAULT_NAME = f"the embedded default, {DEFAULT.stem}"
"""Its name in messages."""

FACE_DETECTOR = FOLDER / "face-detector.onnx"
"""The embedded face detector."""


def find_model(model: str | os.PathLike[str] | None) -> Path:
    """Path of a model's file.

    Args:
        model: a file, or the embedded model's name where no file has it; None: the embedded model.
    """
    if model is None or (os.fspath(model) == DEFAULT.stem and not Path(model).exists()):
        return DEFAULT
    return Path(model)
