"""Writer of ``.hpe`` files, which the native executor maps into memory; the format is described in docs/native.md.

All numbers are little-endian. Weights lie as in ONNX; the executor packs them for the processor at hand when it loads.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x89HPENET\n"
FORMAT = 1
NO_SHORTCUT = 0xFFFFFFFF
_ALIGNMENT = 64
_HEADER = struct.Struct("<8sIIQIIIIII4BIQQQQ40x")
_TENSOR = struct.Struct("<Iifi")
_LAYER = struct.Struct("<9Ii4Q8x")
_OUTPUT = struct.Struct("<4I")
_CHECKED_FROM = 16  # the sum covers all that follows it
_RELU, _FLOAT_OUTPUT, _DEPTHWISE, _MAX_POOL, _HALF_SHORTCUT = 1, 2, 4, 8, 16

FilePrecision = Literal["fp32", "int8"]
_PRECISIONS: dict[FilePrecision, int] = {"fp32": 0, "int8": 1}


@dataclass(frozen=True)
class FileTensor:
    """A tensor of the file: a number stands for ``scale * (stored - zero_point)``; in FP32 for itself.

    In INT8 the numbers are bytes, or 16-bit integers where it is ``wide``.
    """

    channels: int
    scale: float = 1.0
    zero_point: int = 0
    wide: bool = False


@dataclass(frozen=True)
class FileLayer:
    """A layer of the file.

    Attributes:
        input, output: numbers of tensors; 0 is the picture.
        weights: int8 or float32 ``[O, I, KH, KW]``; depthwise ``[C, 1, KH, KW]``; of a maximum only the shape counts.
        bias: int32 or float32 ``[O]``.
        stride, pad, depthwise, relu, max_pool, half_shortcut: see :class:`export.native.layers.Layer`.
        shortcut: number of the tensor to add, None where there is none.
        shortcut_multiplier: in INT8, of the shortcut.
        multipliers: in INT8, of the sums: int16 ``[O]``, or float32 ``[O]`` where the output is float32. None in FP32.
        shifts: in INT8, of the sums: int32 ``[O]``, None where the output is float32.
        float_output: the output is a float32 one of the network.
    """

    input: int
    output: int
    weights: NDArray[Any]
    bias: NDArray[Any]
    stride: int
    pad: int
    depthwise: bool
    relu: bool
    shortcut: int | None = None
    shortcut_multiplier: int = 0
    multipliers: NDArray[Any] | None = None
    shifts: NDArray[Any] | None = None
    float_output: bool = False
    max_pool: bool = False
    half_shortcut: bool = False


@dataclass(frozen=True)
class FileOutput:
    """An output of the file: columns of a float tensor's pixels.

    Attributes:
        tensor: its number.
        first, columns: the columns.
        sigmoid: their sigmoid is given.
    """

    tensor: int
    first: int
    columns: int
    sigmoid: bool = False


@dataclass(frozen=True)
class FileNetwork:
    """Content of a file, beside the spec.

    Attributes:
        precision: of the layers.
        size: side of the picture; 0: its height and width are any multiples of ``multiple``.
        pad_levels: of the picture's three planes, around it.
        tensors: the picture, then the layers' outputs.
        layers: in the order of execution.
        outputs: in the spec's order.
        multiple: of free sizes, else 0.
    """

    precision: FilePrecision
    size: int
    pad_levels: tuple[int, int, int]
    tensors: tuple[FileTensor, ...]
    layers: tuple[FileLayer, ...]
    outputs: tuple[FileOutput, ...]
    multiple: int = 0


def to_bytes(network: FileNetwork, spec_json: str, answers: bytes = b"") -> bytes:
    """Return the file's bytes.

    Args:
        network: its layers.
        spec_json: the model's spec.
        answers: of :func:`hpe_edge.backends.native.self_check.find_answers`; a file may lack them.
    """
    counts = len(network.tensors), len(network.layers), len(network.outputs)
    records = _HEADER.size + counts[0] * _TENSOR.size + counts[1] * _LAYER.size + counts[2] * _OUTPUT.size
    blocks = _Blocks(records)
    layers = b"".join(_layer(each, blocks) for each in network.layers)
    tensors = b"".join(_TENSOR.pack(each.channels, each.zero_point, each.scale, each.wide) for each in network.tensors)
    outputs = b"".join(_OUTPUT.pack(each.first, each.columns, each.tensor, each.sigmoid) for each in network.outputs)
    spec = spec_json.encode()
    spec_at = blocks.add(spec)
    answers_at = blocks.add(answers)
    precision = _PRECISIONS[network.precision]
    header = _HEADER.pack(
        MAGIC, FORMAT, 0, blocks.end, precision, *counts, network.size, network.size, *network.pad_levels, 0,
        network.multiple, spec_at, len(spec), answers_at, len(answers),
    )  # fmt: skip
    data = bytearray(header + tensors + layers + outputs + blocks.data)
    struct.pack_into("<I", data, _CHECKED_FROM - 4, zlib.crc32(data[_CHECKED_FROM:]))
    return bytes(data)


class _Blocks:
    """Arrays behind the records, each at a multiple of 64 bytes."""

    def __init__(self, start: int) -> None:
        self._start = start
        self.data = bytearray()
        self._places: dict[bytes, int] = {}

    @property
    def end(self) -> int:
        return self._start + len(self.data)

    def add(self, data: bytes) -> int:
        """Append an array unless it is there; return its place in the file."""
        if data not in self._places:
            self.data += bytes(-self.end % _ALIGNMENT)
            self._places[data] = self.end
            self.data += data
        return self._places[data]


def _layer(layer: FileLayer, blocks: _Blocks) -> bytes:
    flags = _RELU * layer.relu | _FLOAT_OUTPUT * layer.float_output | _DEPTHWISE * layer.depthwise
    flags |= _MAX_POOL * layer.max_pool | _HALF_SHORTCUT * layer.half_shortcut
    arrays = (layer.weights, layer.bias, layer.multipliers, layer.shifts) if not layer.max_pool else (None,) * 4
    return _LAYER.pack(
        flags,
        layer.input,
        layer.output,
        NO_SHORTCUT if layer.shortcut is None else layer.shortcut,
        *layer.weights.shape[2:],
        layer.stride,
        layer.pad,
        0,
        layer.shortcut_multiplier,
        *(0 if each is None else blocks.add(_little_endian(each)) for each in arrays),
    )


def _little_endian(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def numbers(names: Sequence[str]) -> dict[str, int]:
    """Number tensors by their names, the picture first."""
    return {name: at for at, name in enumerate(names)}
