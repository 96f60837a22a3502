"""What the native operations are told of a model, on the CPU and on a GPU alike."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import numpy as np

from hpe_edge.ops.native import native
from hpe_edge.spec import (
    AnglesDecode,
    BinsDecode,
    Crop,
    Input,
    MatrixDecode,
    ModelSpec,
    QuaternionDecode,
    Rot6dDecode,
    RotationDecode,
    Square,
)

FrameColor = Literal["BGR", "RGB", "GRAY8", "NV12"]

FORMATS: dict[FrameColor, native.PixelFormat] = {
    "BGR": native.PixelFormat.COLOR,
    "RGB": native.PixelFormat.COLOR,
    "GRAY8": native.PixelFormat.GRAY8,
    "NV12": native.PixelFormat.NV12,
}
_OUTPUT: dict[str, native.OutputType] = {
    "float32": native.OutputType.FLOAT32,
    "float16": native.OutputType.FLOAT16,
    "uint8": native.OutputType.UINT8,
}
_SQUARE: dict[Square, native.Square] = {
    "extend": native.Square.EXTEND,
    "shrink": native.Square.SHRINK,
    "none": native.Square.NONE,
}
_ROTATIONS: dict[type[RotationDecode], native.DecodeKind] = {
    Rot6dDecode: native.DecodeKind.ROT6D,
    MatrixDecode: native.DecodeKind.MATRIX,
    QuaternionDecode: native.DecodeKind.QUATERNION,
}


class CropArguments(TypedDict):
    """Of ``native.CropNormalize`` and ``native.CropLaunch``."""

    margins: tuple[float, ...]
    square: native.Square
    clip: bool
    antialias: bool
    fill: tuple[float, ...]
    size: int
    gain: tuple[float, ...]
    bias: tuple[float, ...]
    output: native.OutputType


class DecodeArguments(TypedDict):
    """Of ``native.Decode`` and ``native.DecodeLaunch``."""

    kind: native.DecodeKind
    grids: list[tuple[float, float, int, bool]]
    factors: list[float]


def crop_arguments(crop: Crop, input: Input) -> CropArguments:
    """How faces are cut out and normalised."""
    return {
        "margins": crop.margins,
        "square": _SQUARE[crop.square],
        "clip": crop.clip,
        "antialias": crop.resampling == "antialias",
        "fill": crop.fill,
        "size": input.size,
        "gain": tuple(input.scale / std for std in input.std),
        "bias": tuple(-mean / std for mean, std in zip(input.mean, input.std, strict=True)),
        "output": _OUTPUT[input.dtype],
    }


def swaps_colors(color: FrameColor, input: Input) -> bool:
    """Whether the network's channel order is not the frame's."""
    return ("RGB" if color == "RGB" else "BGR") != input.color


def decode_arguments(spec: ModelSpec) -> DecodeArguments:
    """What the heads' values mean."""
    decode = spec.decode
    if isinstance(decode, BinsDecode):
        grids = [(h.first_deg, h.step_deg, h.count, h.circular) for h in (decode.yaw, decode.pitch, decode.roll)]
        return {"kind": native.DecodeKind.BINS, "grids": grids, "factors": []}
    if isinstance(decode, AnglesDecode):
        factors = [h.factor for h in (decode.yaw, decode.pitch, decode.roll)]
        return {"kind": native.DecodeKind.ANGLES, "grids": [], "factors": factors}
    return {"kind": _ROTATIONS[type(decode)], "grids": [], "factors": list(decode.signs)}


def head_places(spec: ModelSpec) -> list[tuple[int, int]]:
    """Of each head, the index of its output and its first column."""
    return [(spec.outputs.index(head.output), head.column) for head in spec.heads()]


def input_dtype(input: Input) -> np.dtype[Any]:
    """What the network's input is made of."""
    return np.dtype(input.dtype)
