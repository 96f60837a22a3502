"""Files of OpenCV's FileStorage (.yml, .json, .xml), read in a child process.

OpenCV's parser (4.14) loops for ever at some damaged files; nothing in its process can stop it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError
from hpe_edge.util.child_process import ChildError, run_in_child

LIMIT_S = 10.0  # a calibration takes milliseconds, after OpenCV's start of a second at most
_MOST_BYTES = 1 << 20  # a calibration has a few thousand

Node = float | str | NDArray[np.float64]


def read_storage(path: Path, names: Sequence[str]) -> dict[str, Node]:
    """Read nodes from the top level of a file.

    Args:
        path: the file.
        names: of the nodes.

    Returns:
        Those that are there: numbers, texts, or matrices and lists of numbers as float64 arrays.

    Raises:
        SourceError: it cannot be read, is too large, or OpenCV cannot read it.
    """
    try:
        size = path.stat().st_size
        path.open("rb").close()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    if size > _MOST_BYTES:
        raise SourceError(f"cannot read {path}: it has {size} bytes, a calibration has some thousands")
    try:
        found = json.loads(run_in_child(__name__, [str(path), *names], LIMIT_S))
    except ChildError as error:
        raise SourceError(f"cannot read {path}: OpenCV {error} with it, in a process of its own") from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: it is read in a child process, which cannot start: {error}") from None
    if "error" in found:
        raise SourceError(f"cannot read {path} ({found['error']})")
    nodes = found["nodes"].items()
    return {name: np.array(node, np.float64) if isinstance(node, list) else node for name, node in nodes}


def main(arguments: Sequence[str]) -> bytes:
    """Read the nodes in the child; return them as JSON, or an error."""
    from hpe_edge.opencv.lazy import cv2

    name, *names = arguments
    try:
        text = Path(name).read_text(encoding="utf-8")
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        nodes = {each: _plain(storage.getNode(each)) for each in names}
        return json.dumps({"nodes": {each: node for each, node in nodes.items() if node is not None}}).encode()
    except (OSError, ValueError, OverflowError, cv2.error, SystemError) as error:
        reason = str(error).strip().splitlines()
        return json.dumps({"error": reason[0] if reason else "not such a file"}).encode()


def _plain(node: Any) -> Any:
    if node.isNone():
        return None
    if node.isInt() or node.isReal():
        return float(node.real())
    if node.isString():
        return str(node.string())
    if node.isSeq():
        return [float(node.at(place).real()) for place in range(node.size())]
    matrix = node.mat()
    return None if matrix is None else np.asarray(matrix, np.float64).tolist()
