"""The embedded default model; README.md is its card, with accuracy and training data."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""Folder of the model."""

DEFAULT = FOLDER / "student-v2.onnx"
"""Model of ``PoseEngine()``."""

WEIGHTS = FOLDER / "student-v2.pth"
"""Trained weights that it was exported from."""

DEFAULT_NAME = f"the embedded default, {DEFAULT.stem}"
"""Its name in messages."""
