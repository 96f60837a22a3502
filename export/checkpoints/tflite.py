"""Reader of TensorFlow Lite weights (``.tflite``): arrays by position, without TensorFlow and without running code.

A file is a FlatBuffer: tables whose fields are offsets. Only operators and their constant inputs are read. Converters
choose the names freely, so the order of the operators identifies an array.

Source: the format's schema, tensorflow/lite/schema/schema.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpe_edge.errors import ModelError

_MARK = b"TFL3"  # at byte 4
_FLOATS = {0: "<f4", 1: "<f2"}  # TensorType -> dtype
_DEQUANTIZE = 6  # BuiltinOperator: float16 weights pass through it
# BuiltinOperator -> name in the keys; other operators' constants are sizes and shapes.
_KINDS = {3: "conv", 4: "depthwise", 9: "dense", 54: "prelu"}
_MODEL_CODES, _MODEL_GRAPHS, _MODEL_BUFFERS = 1, 2, 4
_GRAPH_TENSORS, _GRAPH_OPERATORS = 0, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER = 0, 1, 2
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 0, 1, 2
_CODE_OLD, _CODE_NEW = 0, 3  # one byte, and since 2020 an int32


def is_tflite(data: bytes) -> bool:
    """True for a TensorFlow Lite file, also a truncated one."""
    return data[4:8] == _MARK


def read_tflite(path: Path, data: bytes) -> tuple[dict[str, Tensor], list[str]]:
    """The weights as ``number of the operator/kind/number of the input`` -> float32, on TensorFlow's axes, and notes.

    Raises:
        ModelError: truncated, damaged, several graphs, or quantised weights.
    """
    try:
        return dict(_arrays(path, data)), ["TensorFlow Lite weights by position, in the order of the operators"]
    except ModelError:
        raise
    except (struct.error, IndexError, ValueError, OverflowError):  # an offset out of the file, or sizes that disagree
        raise ModelError(
            f"{path} cannot be read as a TensorFlow Lite file; it may be truncated: fetch it again"
        ) from None


class _Table:
    """A table of the FlatBuffer."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        (back,) = struct.unpack_from("<i", data, at)
        self._fields = at - back

    def _field(self, number: int) -> int | None:
        """Position of a field's value; None where it has its default."""
        place = 4 + 2 * number
        (size,) = struct.unpack_from("<H", self._data, self._fields)
        (offset,) = struct.unpack_from("<H", self._data, self._fields + place) if place < size else (0,)
        return self._at + offset if offset else None

    def number(self, field: int, kind: str = "<i") -> int:
        """An integer field, by default 0."""
        at = self._field(field)
        return 0 if at is None else int(struct.unpack_from(kind, self._data, at)[0])

    def vector(self, field: int, dtype: str) -> NDArray[Any]:
        """A field of numbers."""
        at = self._field(field)
        if at is None:
            return np.zeros(0, dtype)
        start = at + _offset(self._data, at)
        return np.frombuffer(self._data, dtype, _offset(self._data, start), start + 4)

    def tables(self, field: int) -> list[_Table]:
        """A field of tables."""
        at = self._field(field)
        if at is None:
            return []
        start = at + _offset(self._data, at)
        places = range(start + 4, start + 4 + 4 * _offset(self._data, start), 4)
        return [_Table(self._data, place + _offset(self._data, place)) for place in places]


def _offset(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _arrays(path: Path, data: bytes) -> Iterator[tuple[str, Tensor]]:
    model = _Table(data, _offset(data, 0))
    graphs = model.tables(_MODEL_GRAPHS)
    if len(graphs) != 1:
        raise ModelError(f"{path} holds {len(graphs)} graphs; a network has one")
    codes = [max(code.number(_CODE_OLD, "<b"), code.number(_CODE_NEW)) for code in model.tables(_MODEL_CODES)]
    buffers = model.tables(_MODEL_BUFFERS)
    tensors = graphs[0].tables(_GRAPH_TENSORS)
    source = list(range(len(tensors)))  # the constant that a dequantised tensor comes from
    count = 0
    for position, operator in enumerate(graphs[0].tables(_GRAPH_OPERATORS)):
        code = codes[operator.number(_OPERATOR_CODE, "<I")]
        inputs = [int(each) for each in operator.vector(_OPERATOR_INPUTS, "<i4")]
        if code == _DEQUANTIZE:
            source[int(operator.vector(_OPERATOR_OUTPUTS, "<i4")[0])] = source[inputs[0]]
        for place, given in enumerate(inputs):
            if code not in _KINDS or given < 0:
                continue
            tensor = tensors[source[given]]
            raw = buffers[tensor.number(_TENSOR_BUFFER, "<I")].vector(0, "<u1")
            if raw.size == 0:  # computed, not a constant
                continue
            kind = tensor.number(_TENSOR_TYPE, "<b")
            if kind not in _FLOATS:
                raise ModelError(f"{path}: operator {position} has quantised weights; use the float model")
            values = np.frombuffer(raw.tobytes(), _FLOATS[kind]).reshape(tensor.vector(_TENSOR_SHAPE, "<i4").tolist())
            count += values.size
            if count > len(
                data
            ):  # of two bytes at least each: a few may be shared, and a damaged file shares any number
                raise ValueError
            yield f"{position}/{_KINDS[code]}/{place}", torch.from_numpy(values.astype(np.float32))
