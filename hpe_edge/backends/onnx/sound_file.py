"""Checks of an ONNX file before any library reads it.

Libraries trust parts of a file that anyone can write. OpenVINO takes an address in memory for the place of a weight,
reads where a weight is shorter than its shape, and ends the process at some graphs; names that are no text fail later,
where Python reads them. The protobuf message is walked here in Python, which cannot crash.

Source: onnx.proto3 for the field numbers; ONNX's page on external data.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from hpe_edge.backends.onnx.wire import BYTES, FIXED32, FIXED64, WireError, fields, numbers
from hpe_edge.errors import ModelError

_DEEPEST = 32  # subgraphs in subgraphs; the walk is recursive
_MOST_ELEMENTS = 1 << 40

# Message -> field -> the message in it, "text" where Python or a message reads it, or "one <message>" where a second
# one, which protobuf would merge with the first, is refused.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {
        2: "text",
        3: "text",
        4: "text",
        7: "one graph",
        8: "opset",
        14: "entry",
        20: "training",
        25: "function",
    },
    "opset": {1: "text"},
    "entry": {1: "text", 2: "text"},
    "training": {1: "one graph", 2: "one graph"},
    "function": {1: "text", 4: "text", 5: "text", 7: "node", 10: "text", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 15: "sparse"},
    "value": {1: "text"},
    "sparse": {1: "one tensor", 2: "one tensor"},
    "node": {1: "text", 2: "text", 3: "text", 4: "text", 5: "attribute", 7: "text"},
    "attribute": {
        1: "text",
        5: "one tensor",
        6: "one graph",
        10: "tensor",
        11: "graph",
        22: "one sparse",
        23: "sparse",
    },
    "tensor": {8: "text", 13: "entry"},
}

# DataType -> bits of an element, and the field of its numbers where they are not raw, with bits of each there: 0 for
# varints, of which each holds an element, or two of 4 and four of 2 bits.
_FLOATS, _INT32S, _INT64S, _DOUBLES, _UINT64S = 4, 5, 7, 10, 11
_TYPES = {
    **{1: (32, _FLOATS), 14: (64, _FLOATS), 11: (64, _DOUBLES), 15: (128, _DOUBLES)},
    **{2: (8, _INT32S), 3: (8, _INT32S), 4: (16, _INT32S), 5: (16, _INT32S), 6: (32, _INT32S), 9: (8, _INT32S)},
    **{10: (16, _INT32S), 16: (16, _INT32S), 7: (64, _INT64S), 12: (32, _UINT64S), 13: (64, _UINT64S)},
    **{17: (8, _INT32S), 18: (8, _INT32S), 19: (8, _INT32S), 20: (8, _INT32S), 24: (8, _INT32S)},
    **{21: (4, _INT32S), 22: (4, _INT32S), 23: (4, _INT32S), 25: (2, _INT32S), 26: (2, _INT32S)},
}
_STRING = 8
_WINDOWS = ("ConvTranspose", "Conv", "MaxPool", "AveragePool", "LpPool", "MaxUnpool", "DeformConv")  # ends of op types
_POSITIVE = ("group", "offset_group", "kernel_shape", "strides", "dilations")
_LARGEST_WINDOW = 1 << 16


class _Unsound(ValueError):
    """A fault of the file."""


def check_file(path: Path, data: bytes | None = None) -> tuple[Path, ...]:
    """Check that an ONNX file is whole, and that it means what it says; return the other files with its weights.

    Text is UTF-8. Each weight has as many bytes as its shape says. Weights in other files lie in the model's folder or
    below it, and within those files. Windows of convolutions and pools, and their groups, are at least 1.

    Args:
        path: the file.
        data: its content where that is not the file's; weights then cannot lie in other files.

    Returns:
        The files of weights, sorted; resolved paths.

    Raises:
        ModelError: it is not so, or the file cannot be read.
    """
    walk = _Walk(None if data is not None else path.resolve().parent)
    if data is not None:
        fault = walk.fault(memoryview(data))
    else:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size == 0:
                    raise ModelError(f"{path} cannot be loaded as an ONNX model; it is empty, so it may be truncated")
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
                    fault = walk.fault(view)
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    if fault is not None:
        raise ModelError(
            f"{path} cannot be loaded as an ONNX model; it may be truncated, damaged or of another kind ({fault}): "
            "fetch it again from where you trust it"
        )
    return tuple(sorted(walk.files))


@dataclass
class _Tensor:
    dims: list[int] = field(default_factory=list)
    kind: int = 0
    name: str = ""
    raw: int | None = None  # bytes
    counts: dict[int, int] = field(default_factory=dict)  # field -> numbers in it
    external: bool = False
    entries: list[memoryview] = field(default_factory=list)


class _Walk:
    """A walk through a model's messages, which collects the files of its weights."""

    def __init__(self, folder: Path | None) -> None:
        """
        Args:
            folder: the model's, resolved, for weights in other files; None: there can be none.
        """
        self._folder = folder
        self.files: set[Path] = set()

    def fault(self, model: memoryview) -> str | None:
        """Return the first fault of a file's content; None for a sound one."""
        try:
            self.message("model", model, 0)
        except (_Unsound, WireError) as error:
            # Without its traceback, which holds views of the content and would keep a map from closing.
            return str(error)
        return None

    def message(self, kind: str, message: memoryview, depth: int) -> None:
        """Check a message and those in it."""
        if depth > _DEEPEST * len(_MESSAGES):
            raise _Unsound("its graphs are nested too deeply")
        if kind == "tensor":
            self._tensor(message)
        elif kind == "node":
            _check_node(message)
        inner, seen = _MESSAGES[kind], set[int]()
        for number, wire, value in fields(message):
            what = inner.get(number)
            if what is None:
                continue
            if wire != BYTES or isinstance(value, int):
                raise _Unsound(f"field {number} of a {kind} is no {what}")
            if what == "text":
                _text(kind, value)
                continue
            if what.startswith("one "):
                what = what.removeprefix("one ")
                if number in seen:
                    raise _Unsound(f"a {kind} has field {number} twice")
                seen.add(number)
            self.message(what, value, depth + 1)
        if kind == "model" and 7 not in seen:
            raise _Unsound("there is no graph in it")

    def _tensor(self, message: memoryview) -> None:
        tensor = _read_tensor(message)
        if any(side < 0 for side in tensor.dims):
            raise _Unsound(f"the weight {tensor.name!r} has the shape {tensor.dims}")
        count = 1
        for side in tensor.dims:
            count *= side
            if count > _MOST_ELEMENTS:
                raise _Unsound(f"the weight {tensor.name!r} has the shape {tensor.dims}")
        needed, bits, place = None, 0, 0  # of text, which its reader counts
        if tensor.kind in _TYPES:
            bits, place = _TYPES[tensor.kind]
            needed = -(-count * bits // 8)
        elif tensor.kind != _STRING and (tensor.dims or tensor.raw is not None or tensor.external):
            raise _Unsound(f"the weight {tensor.name!r} is of the unknown type {tensor.kind}")
        if tensor.external or tensor.entries:
            self._check_external(tensor, needed)
        elif needed is not None and tensor.raw is not None:
            if tensor.raw != needed:
                raise _Unsound(
                    f"the weight {tensor.name!r} of shape {tensor.dims} has {tensor.raw} bytes, not {needed}"
                )
        elif needed is not None:
            there = tensor.counts.get(place, 0)
            least = count * 2 if tensor.kind in (14, 15) else -(-count * bits // 8) if bits < 8 else count
            if there != least:
                raise _Unsound(f"the weight {tensor.name!r} of shape {tensor.dims} has {there} numbers, not {least}")

    def _check_external(self, tensor: _Tensor, needed: int | None) -> None:
        what = f"the weight {tensor.name!r}"
        if self._folder is None:
            raise _Unsound(f"{what} is in another file, which cannot be used here")
        entries = dict(map(_entry, tensor.entries))
        location = entries.get("location", "")
        path = PurePosixPath(location)
        windows = PureWindowsPath(location)
        # "*/_ORT_MEM_ADDR_/*" and its like stand for an address in memory.
        if not location or "*" in location or "\0" in location or "_ORT_MEM_ADDR_" in location:
            raise _Unsound(f"{what} is at {location!r}, which is no file")
        if path.is_absolute() or windows.is_absolute() or windows.drive or {"..", "~"} & {*path.parts, *windows.parts}:
            raise _Unsound(f"{what} is at {location!r}, outside the model's folder")
        file = (self._folder / path).resolve()
        if not file.is_relative_to(self._folder):  # by a link
            raise _Unsound(f"{what} is at {location!r}, which leads out of the model's folder")
        if not file.is_file():
            raise _Unsound(f"{what} is in the file {location!r}, which is not beside the model")
        try:
            offset, length = (int(entries.get(name, "0") or "0") for name in ("offset", "length"))
        except ValueError:
            raise _Unsound(f"{what}: its place in {location!r} is no number") from None
        if needed is not None and length not in (0, needed):
            raise _Unsound(f"{what} of shape {tensor.dims} has {length} bytes, not {needed}")
        size = file.stat().st_size
        if offset < 0 or length < 0 or offset + max(length, needed or 0) > size:
            raise _Unsound(f"{what} lies at {offset} with {length or needed} bytes in {location!r}, which has {size}")
        self.files.add(file)


def _read_tensor(message: memoryview) -> _Tensor:
    tensor = _Tensor()
    for number, wire, value in fields(message):
        if number == 1:
            tensor.dims += numbers(wire, value)
        elif number == 2:
            tensor.kind = value if isinstance(value, int) else 0
        elif number == 8 and not isinstance(value, int):
            tensor.name = _text("tensor", value)
        elif number == 9 and not isinstance(value, int):
            tensor.raw = len(value)
        elif number in (_FLOATS, _INT32S, _INT64S, _DOUBLES, _UINT64S):
            tensor.counts[number] = tensor.counts.get(number, 0) + _count(number, wire, value)
        elif number == 13 and not isinstance(value, int):
            tensor.entries.append(value)
        elif number == 14:
            tensor.external |= value != 0
    return tensor


def _count(number: int, wire: int, value: int | memoryview) -> int:
    """Return how many numbers a field of them holds, packed or single."""
    if isinstance(value, int) or wire in (FIXED32, FIXED64):
        return 1
    width = {_FLOATS: 4, _DOUBLES: 8}.get(number)
    if width is not None:
        if len(value) % width:
            raise _Unsound("a list of numbers ends within one")
        return len(value) // width
    return int(np.count_nonzero(np.frombuffer(value, np.uint8) < 128))


def _check_node(message: memoryview) -> None:
    op_type, attributes = "", list[memoryview]()
    for number, _, value in fields(message):
        if number == 4 and not isinstance(value, int):
            op_type = _text("node", value)
        elif number == 5 and not isinstance(value, int):
            attributes.append(value)
    if not op_type.endswith(_WINDOWS) and op_type not in ("ConvInteger", "QLinearConv"):
        return
    for attribute in attributes:
        name, values = "", list[int]()
        for number, wire, value in fields(attribute):
            if number == 1 and not isinstance(value, int):
                name = _text("attribute", value)
            elif number in (3, 8):
                values += numbers(wire, value)
        if name in _POSITIVE and not all(1 <= value <= _LARGEST_WINDOW for value in values):
            raise _Unsound(f"a {op_type} has {name} {values}")


def _entry(message: memoryview) -> tuple[str, str]:
    found = {1: "", 2: ""}
    for number, _, value in fields(message):
        if number in found and not isinstance(value, int):
            found[number] = _text("entry", value)
    return found[1], found[2]


def _text(kind: str, value: memoryview) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise _Unsound(f"a text of its {kind} is not UTF-8") from None
