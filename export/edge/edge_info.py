"""``<file>.json``: description of a file for another library, with the model's spec."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hpe_edge.spec import GateResult, ModelSpec, to_plain

FORMAT = 1

Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class InputTensor:
    """The input of the file.

    Attributes:
        name: in the file.
        shape: ``[N, 3, size, size]``, planes in the order of ``spec.input.color``; N is None for any batch.
        layout, dtype: of the values that the caller gives, normalised as ``spec.input`` says.
    """

    name: str
    shape: tuple[int | None, ...]
    layout: Literal["NCHW"] = "NCHW"
    dtype: Literal["float32"] = "float32"


@dataclass(frozen=True)
class OutputTensor:
    """An output of the file, in the spec's order.

    Attributes:
        output: its name in the spec.
        name: in the file.
        columns: values of a face, float32.
    """

    output: str
    name: str
    columns: int


@dataclass(frozen=True)
class FileSum:
    """A file that belongs to the model: its name, size and SHA-256 in hexadecimal."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class EdgeInfo:
    """Description beside a file; ``hpe_spec_read`` of the C interface reads it.

    Attributes:
        spec: the model's, as in its ONNX file.
        target: see :mod:`export.edge.targets`.
        precision: of the weights; of ``rknn`` that of the device as well.
        input, outputs: of the file.
        settings: of the runtime, with which the gate ran.
        files: all files of the model.
        source, source_sha256: name of the ONNX file, and the SHA-256 of its bytes.
        tools: name -> version of the converter and the runtime.
        gate: accuracy gate against the ONNX file.
        platform: of ``rknn``, the chip.
    """

    spec: ModelSpec
    target: str
    precision: Precision
    input: InputTensor
    outputs: tuple[OutputTensor, ...]
    settings: Mapping[str, str | bool]
    files: tuple[FileSum, ...]
    source: str
    source_sha256: str
    tools: dict[str, str] = field(default_factory=dict)
    gate: GateResult | None = None
    platform: str | None = None

    def to_json(self) -> str:
        """Return indented JSON, format number first."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, indent=2) + "\n"


def file_sums(files: Sequence[Path], names: Sequence[str]) -> tuple[FileSum, ...]:
    """Describe files that will have other names."""
    sums = []
    for file, name in zip(files, names, strict=True):
        data = file.read_bytes()
        sums.append(FileSum(name, len(data), hashlib.sha256(data).hexdigest()))
    return tuple(sums)
