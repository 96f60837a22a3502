"""TensorFlow Lite files as converters write them: a FlatBuffer, by the format's schema."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT32, FLOAT16, INT32, INT8 = 0, 1, 2, 9  # TensorType
CONV, DEPTHWISE, DEQUANTIZE, RESHAPE, PRELU = 3, 4, 6, 22, 54  # BuiltinOperator
_TYPES = {np.dtype("f4"): FLOAT32, np.dtype("f2"): FLOAT16, np.dtype("i4"): INT32, np.dtype("i1"): INT8}

Array = NDArray[np.generic]
Operator = tuple[int, Sequence[Array]]  # BuiltinOperator and constant inputs


def tflite_file(operators: Sequence[Operator], *, dequantize: bool = False, graphs: int = 1) -> bytes:
    """A chain of operators; with ``dequantize`` each constant passes through one before it is read.

    Each operator's first input and its output are computed. An array that occurs twice stands in the file once.
    """
    codes: list[int] = []
    tensors: list[dict[int, object]] = [_tensor((1,), FLOAT32, 0)]
    buffers: list[dict[int, object]] = [{}]  # of everything that is computed
    steps: list[dict[int, object]] = []
    known: dict[int, int] = {}  # an array's id -> its tensor
    last = 0

    def step(code: int, inputs: list[int]) -> int:
        if code not in codes:
            codes.append(code)
        tensors.append(_tensor((1,), FLOAT32, 0))
        made = len(tensors) - 1
        steps.append({0: codes.index(code), 1: np.array(inputs, "<i4"), 2: np.array([made], "<i4")})
        return made

    for code, constants in operators:
        inputs = [last]
        for array in constants:
            if id(array) not in known:
                buffers.append({0: np.frombuffer(array.tobytes(), "u1")})
                tensors.append(_tensor(array.shape, _TYPES[array.dtype], len(buffers) - 1))
                known[id(array)] = len(tensors) - 1
            given = known[id(array)]
            inputs.append(step(DEQUANTIZE, [given]) if dequantize else given)
        last = step(code, inputs)
    # Operators above 127 have the second number only; both are equal below.
    listed = [{0: code, 3: code} for code in codes]
    graph: dict[int, object] = {0: tensors, 3: steps}
    out = bytearray(4) + b"TFL3"
    struct.pack_into("<I", out, 0, _table(out, {0: 3, 1: listed, 2: [graph] * graphs, 4: buffers}))
    return bytes(out)


def _tensor(shape: Sequence[int], kind: int, buffer: int) -> dict[int, object]:
    return {0: np.array(shape, "<i4"), 1: kind, 2: buffer, 3: np.frombuffer(b"name", "u1")}


def _table(out: bytearray, fields: dict[int, object]) -> int:
    """Append a table and return its position; fields of the default 0 are left out, as writers do."""
    kept = {number: value for number, value in fields.items() if not (isinstance(value, int) and value == 0)}
    count = max(kept, default=-1) + 1
    out += b"\0" * (-len(out) % 4)
    vtable = len(out)
    places = {number: 4 + 4 * i for i, number in enumerate(kept)}
    out += struct.pack("<HH", 4 + 2 * count, 4 + 4 * len(kept))
    out += b"".join(struct.pack("<H", places.get(number, 0)) for number in range(count))
    out += b"\0" * (-len(out) % 4)
    at = len(out)
    out += struct.pack("<i", at - vtable) + bytes(4 * len(kept))
    for number, value in kept.items():
        place = at + places[number]
        if isinstance(value, int):
            struct.pack_into("<i", out, place, value)
            continue
        out += b"\0" * (-len(out) % 4)
        start = len(out)
        struct.pack_into("<I", out, place, start - place)
        if isinstance(value, np.ndarray):
            out += struct.pack("<I", len(value)) + value.tobytes()
            continue
        assert isinstance(value, list)
        out += struct.pack("<I", len(value)) + bytes(4 * len(value))
        for i, inner in enumerate(value):
            slot = start + 4 + 4 * i
            struct.pack_into("<I", out, slot, _table(out, inner) - slot)
    return at
