"""A spec file to start from, made of what an ONNX file shows."""

from __future__ import annotations

import json
from pathlib import Path

import onnx

from export import zoo
from export.adoption.ends import forms
from export.adoption.spec_file import FORMAT, FileInput, SpecFile
from export.graph.match_heads import Outputs, describe_outputs, match_outputs
from export.graph.onnx_file import ImageInput, fix_image_input, open_unchanged, read_onnx, run_random, the_input
from hpe_edge.errors import ModelError
from hpe_edge.spec import (
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    Crop,
    Decode,
    MatrixDecode,
    QuaternionDecode,
    Rot6dDecode,
    to_plain,
)

_SIZE = 224  # where the file leaves it open
_NAMES = ("yaw", "pitch", "roll")
_ROTATIONS: dict[int, type[Rot6dDecode | MatrixDecode | QuaternionDecode]] = {
    4: QuaternionDecode,
    6: Rot6dDecode,
    9: MatrixDecode,
}
_SPAN_DEG = 198.0  # of HopeNet's bins, from -99 on


def template(path: Path, arch: str | None = None) -> str:
    """The spec as JSON.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no ONNX file with one picture as its input, or does not run.
    """
    model, _ = read_onnx(path)
    family = None if arch is None else zoo.get(arch)
    image = fix_image_input(path, model, family.input.size if family else _size(path, model))
    raw = run_random(path, open_unchanged(path, model), image)
    outputs = {name: form.apply(raw[name]) for name, form in forms(raw).items()}
    if family is not None:
        given = family.input
        input = FileInput(given.size, given.color, given.scale, given.mean, given.std)
        spec = SpecFile(family.name, input, family.crop, match_outputs(path, family, outputs).decode, family.upright)
    else:
        spec = SpecFile(path.stem, _input(image), Crop(margins=(0.25,) * 4), _decode(path, outputs))
    return json.dumps({"format": FORMAT, **to_plain(spec)}, indent=2)


def _size(path: Path, model: onnx.ModelProto) -> int:
    """The picture's side; channels first or last."""
    dims = [dim.dim_value for dim in the_input(path, model).type.tensor_type.shape.dim]
    sides = [side for side in dims[1:] if side > 3]
    return sides[0] if sides else _SIZE


def _input(image: ImageInput) -> FileInput:
    """ImageNet's normalisation, the most frequent; levels where the graph takes bytes."""
    if image.dtype == "uint8":
        return FileInput(image.size)
    if image.channels == 1:
        return FileInput(image.size, "RGB", 1 / 255)
    return FileInput(image.size, "RGB", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _decode(path: Path, outputs: Outputs) -> Decode:
    """The likeliest decode of these outputs.

    Raises:
        ModelError: none fits.
    """
    columns = {name: array[0].size for name, array in outputs.items()}
    named = [next((each for each in columns if angle in each.lower()), None) for angle in _NAMES]
    for name, count in columns.items():
        if count in _ROTATIONS:
            return _ROTATIONS[count](output=name)
    like = [name for name, count in columns.items() if list(columns.values()).count(count) == len(_NAMES)]
    chosen = [name for name in named if name] if all(named) else like
    if len(chosen) == len(_NAMES) and len({columns[name] for name in chosen}) == 1:
        count = columns[chosen[0]]
        if count == 1:
            yaw, pitch, roll = (AngleHead(name, 0) for name in chosen)
            return AnglesDecode(yaw, pitch, roll)
        return _three_bins([_bins(name, 0, count) for name in chosen])
    for name, count in columns.items():
        if count == len(_NAMES):
            return AnglesDecode(*(AngleHead(name, column) for column in range(3)))
        if count % len(_NAMES) == 0 and count > 9:
            each = count // len(_NAMES)
            return _three_bins([_bins(name, i * each, each) for i in range(3)])
    raise ModelError(
        f"{path} has no output that can be a pose: {describe_outputs(outputs) or 'none with one row per picture'}; "
        "three angles, bins, a quaternion, 6 numbers or a matrix are read"
    )


def _three_bins(heads: list[BinHead]) -> BinsDecode:
    yaw, pitch, roll = heads
    return BinsDecode(yaw, pitch, roll)


def _bins(output: str, column: int, count: int) -> BinHead:
    step = _SPAN_DEG / count
    return BinHead(output, column, -_SPAN_DEG / 2, step, count)
