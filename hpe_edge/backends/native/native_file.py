"""Opening of ``.hpe`` files by the compiled module."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

from hpe_edge.errors import InputError, ModelError
from hpe_edge.ops.native import native

DETECTOR_KEY = "detector"  # in the spec of a face detector, whose value is the format's number
DETECTOR_FORMAT = 1


def open_network(path: Path, isa: str = "") -> Any:
    """Read a file; it is mapped into memory meanwhile.

    Args:
        path: the file.
        isa: one of ``hpe_edge._native.network_isa_names()``; the best where it is empty.

    Raises:
        InputError: ``isa`` cannot be used.
        ModelError: not such a file, damaged, or of a newer format.
    """
    if isa and isa not in native.network_isa_names():
        raise InputError(f"isa must be one of {', '.join(native.network_isa_names())}, got {isa!r}")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return native.NativeNetwork(file=data, isa=isa)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # of the mapping for an empty file, of the compiled module for a damaged one
        raise ModelError(
            f"{path} cannot be loaded: {error}; make it again: hpe-edge export native MODEL.onnx -o {path}"
        ) from None


def spec_text(network: Any, path: Path) -> str:
    """Return the spec of a file, JSON.

    Raises:
        ModelError: it is no text.
    """
    try:
        return str(network.spec.decode())
    except UnicodeDecodeError:
        raise ModelError(f"{path}: its spec is no text, so it is damaged; export it again") from None


def detector_spec(text: str) -> dict[str, Any] | None:
    """Return the spec of a face detector; None for a head-pose model's."""
    try:
        spec = json.loads(text)
    except ValueError:
        return None
    return spec if isinstance(spec, dict) and DETECTOR_KEY in spec else None
