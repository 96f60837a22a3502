"""The model that a suite takes where none is named."""

from __future__ import annotations

import argparse
from pathlib import Path

from hpe_edge.models import DEFAULT, DEFAULT_NAME


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """--model, which may be left out."""
    parser.add_argument(
        "--model", type=Path, metavar="MODEL.onnx", help="made by export.onnx; default: the embedded one"
    )


def default_or(model: Path | None) -> Path:
    """The model that was named, or else the embedded one, which is then said."""
    if model is not None:
        return model
    print(f"\nmodel: {DEFAULT_NAME}", flush=True)
    return DEFAULT
