"""Recognition of files that are no checkpoints: pictures, archives, ONNX models, text."""

from __future__ import annotations

import codecs
import re
import shlex
from pathlib import Path

from hpe_edge.errors import ModelError

SAVE = "save the weights alone where its code is at hand: torch.save(model.state_dict(), 'weights.pth')"

_MARKS = (
    (b"\xff\xd8\xff", "a JPEG picture; name the weights"),
    (b"\x89PNG", "a PNG picture; name the weights"),
    (b"RIFF", "a WebP picture or a sound; name the weights"),
    (b"\x1f\x8b", "a gzip archive; unpack it and name the weights in it"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"<", "a web page or XML, probably a failed download; download the file again"),
)
_TAR = slice(257, 262)
_ONNX_START = re.compile(rb"\x08[\x01-\x20]\x12.(pytorch|[ -~]{3,})", re.DOTALL)  # ir_version, then producer_name


def refuse_other_files(path: Path, data: bytes) -> None:
    """Look at the first bytes.

    Raises:
        ModelError: they are another kind of file's.
    """
    start = data[:512].removeprefix(codecs.BOM_UTF8).lstrip()  # what may stand before the first tag of a page
    for mark, what in _MARKS:
        if start.startswith(mark):
            raise ModelError(f"{path} is not a checkpoint but {what}")
    if data[_TAR] == b"ustar":
        raise ModelError(f"{path} is not a checkpoint but a tar archive; unpack it and name the weights in it")
    if _ONNX_START.match(data):
        raise ModelError(
            f"{path} is not a checkpoint but an ONNX model; one made by this tool runs as it is, any other can be "
            f"adopted: hpe-edge export onnx --adopt {shlex.quote(str(path))} --arch NAME"
        )
    if _is_text(data):
        raise ModelError(
            f"{path} is not a checkpoint but a text file; name the weights (.pth, .pt, .pkl, .ckpt, .safetensors, .h5)"
        )


def _is_text(data: bytes) -> bool:
    try:
        start = codecs.getincrementaldecoder("utf-8")().decode(data[:512])  # which may end within a character
    except UnicodeDecodeError:
        return False
    return all(letter in "\t\n\f\r" or (letter >= " " and letter != "\x7f") for letter in start)
