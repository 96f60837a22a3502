"""The child process of :mod:`hpe_edge.backends.openvino.first_run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hpe_edge.backends.openvino.compiled_model import OpenVinoBackend
from hpe_edge.backends.options import Precision


def main(arguments: Sequence[str]) -> bytes:
    """Load a model and run it once.

    Args:
        arguments: path, device and precision.

    Returns:
        ``b"1"``; nothing where that raised an error.
    """
    name, device, precision = arguments
    try:
        backend = OpenVinoBackend(Path(name), device=device, precision=cast(Precision, precision), in_child=True)
        context = backend.context()
        context.input(1)[:] = 0
        context.run(1)
    except Exception:
        return b""
    return b"1"
