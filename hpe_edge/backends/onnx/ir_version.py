"""Version of the ONNX file format, and the newest that the installed ONNX Runtime reads."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import onnxruntime

from hpe_edge.backends.onnx.wire import varint

_ANY = 1 << 20
_KEY = b"\x08"  # of the field ir_version, which writers place first


@functools.cache
def newest_ir_version() -> int:
    """Return the newest version that ONNX Runtime reads; a very high one where it does not say.

    It is in the error for a file of a higher version alone.
    """
    newer = _KEY + varint(_ANY) + b"\x42\x02\x10\x0d\x3a\x00"  # opset 13, and an empty graph
    try:
        onnxruntime.InferenceSession(newer, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        found = re.search(r"max supported IR version: (\d+)", str(error))
        if found:
            return int(found[1])
    return _ANY


def lowered(path: Path) -> bytes | None:
    """Return the content of a file whose version is too new, with the newest that is read; None for any other file.

    Versions differ in what a file may hold; what ONNX Runtime does not know there it refuses itself.
    """
    with path.open("rb") as file:
        start = file.read(8)
        if not start.startswith(_KEY):
            return None
        version, end = 0, 1
        while end < len(start):
            version |= (start[end] & 127) << 7 * (end - 1)
            end += 1
            if start[end - 1] < 128:
                break
        if version <= newest_ir_version():
            return None
        file.seek(end)
        return _KEY + varint(newest_ir_version()) + file.read()
