"""The model that is used where none is named; its card, README.md, says how good it is and what it learned from."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""Holds the model."""

DEFAULT = FOLDER / "student-dense.onnx"
"""What ``PoseEngine()`` loads."""

WEIGHTS = FOLDER / "student-dense.pth"
"""The trained weights that ``python -m export.onnx`` made it from."""

DEFAULT_NAME = f"the embedded default, {DEFAULT.stem}"
"""What a command says when it takes it."""
