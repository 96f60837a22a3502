"""The two networks of a whole-picture model's ONNX file, taken apart without the onnx package.

The file is one graph of two unconnected parts, so that it is one file and any ONNX tool opens it. All names of the
second part begin with :data:`SECOND`. Source: onnx.proto3 for the field numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpe_edge.backends.onnx.sound_file import check_file
from hpe_edge.backends.onnx.wire import BYTES, WireError, encoded, fields
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.picture.picture_spec import STRIDES, PictureSpec
from hpe_edge.spec import METADATA_KEY, is_picture_spec

SECOND = "heads."
PICTURE = "picture"
LEVELS = tuple(f"level{stride}" for stride in STRIDES)
FIRST_OUTPUTS = (*LEVELS, "logits", "shifts")
POOLED = f"{SECOND}pooled"
SECOND_OUTPUTS = (f"{SECOND}scores", f"{SECOND}poses")

_GRAPH, _METADATA = 7, 14  # of a model
_KEY, _VALUE = 1, 2  # of a metadata entry
# Field of a graph -> field of its name. Nodes are named by their first output.
_NAMED = {1: 2, 5: 8, 11: 1, 12: 1, 13: 1}


@dataclass(frozen=True)
class SplitFile:
    """A whole-picture model.

    Attributes:
        spec: of the model.
        first, second: content of an ONNX file of each network.
    """

    spec: PictureSpec
    first: bytes
    second: bytes


def is_picture_file(path: Path) -> bool:
    """Return True for the ONNX file of a whole-picture model; False for anything else, readable or not."""
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return False
    try:
        text = _spec_text(memoryview(path.read_bytes()))
    except (OSError, WireError, UnicodeDecodeError):
        return False
    return text is not None and is_picture_spec(text)


def split_file(path: Path) -> SplitFile:
    """Read a model's file.

    Raises:
        ModelNotFoundError: there is none.
        ModelError: it is damaged, or no whole-picture model.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no model {path}; make one with hpe-edge export picture CHECKPOINT")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    check_file(path, data)
    try:
        text = _spec_text(memoryview(data))
        if text is None or not is_picture_spec(text):
            raise ModelError(
                f"{path} is no whole-picture model; hpe_edge.PoseEngine runs models of one face, and hpe-edge export "
                "picture makes this kind"
            )
        return SplitFile(PictureSpec.from_json(text), *(_part(memoryview(data), second) for second in (False, True)))
    except (WireError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read as an ONNX model: {error}; fetch it again") from None


def _spec_text(model: memoryview) -> str | None:
    for number, _, value in fields(model):
        if number == _METADATA and isinstance(value, memoryview):
            entry = {field: bytes(text).decode() for field, _, text in fields(value) if isinstance(text, memoryview)}
            if entry.get(_KEY) == METADATA_KEY:
                return entry.get(_VALUE)
    return None


def _part(model: memoryview, second: bool) -> bytes:
    """Return the model with one part of its graph."""
    pieces: list[bytes | memoryview] = []
    for number, wire, value in fields(model):
        if number == _METADATA:
            continue
        if number == _GRAPH and isinstance(value, memoryview):
            graph = b"".join(_graph_part(value, second))
            pieces += encoded(_GRAPH, BYTES, memoryview(graph))
        else:
            pieces += encoded(number, wire, value)
    return b"".join(pieces)


def _graph_part(graph: memoryview, second: bool) -> list[bytes | memoryview]:
    pieces: list[bytes | memoryview] = []
    for number, wire, value in fields(graph):
        if number not in _NAMED or not isinstance(value, memoryview) or (_is_second(value, _NAMED[number]) == second):
            pieces += encoded(number, wire, value)
    return pieces


def _is_second(message: memoryview, field: int) -> bool:
    """Return True if the name in a message is one of the second part."""
    for number, _, value in fields(message):
        if number == field and isinstance(value, memoryview):
            return bytes(value).startswith(SECOND.encode())
    return False
