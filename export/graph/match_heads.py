"""Matching the outputs of an ONNX file from elsewhere to a family's heads, by width, name and order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.zoo.family import Family
from hpe_edge.errors import ModelError
from hpe_edge.spec import (
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    Decode,
    MatrixDecode,
    QuaternionDecode,
    Rot6dDecode,
    RotationDecode,
)

# Output name -> its values for a few random images, [images, ...].
Outputs = dict[str, NDArray[Any]]

_ANGLES = ("yaw", "pitch", "roll")
_ASSUMED = "order assumed from the original code: the file does not state it"
_DEGREES = AnglesDecode(*(AngleHead("angles", column) for column in range(3)))
_ROTATION_TOLERANCE = 1e-2  # Gram-Schmidt in FP16 leaves up to 4e-3
_SUM_TOLERANCE = 1e-2  # float16 rounding of a softmax's sum; rows of logits never all sum to nearly 1


@dataclass(frozen=True)
class HeadMatch:
    """Heads of a family found in a file.

    Attributes:
        decode: the family's, reading from this file's outputs.
        outputs: the outputs to keep: the decode's and the family's others.
        how: source of the columns' order.
    """

    decode: Decode
    outputs: tuple[str, ...]
    how: str


def match_outputs(path: Path, family: Family, outputs: Outputs) -> HeadMatch:
    """Find the family's heads among the outputs, by their width and names.

    Three angles in one output are in the order of the original code.

    Raises:
        ModelError: the family's heads are not there, or ambiguous.
    """
    columns = {name: int(np.prod(array.shape[1:])) for name, array in outputs.items() if array.dtype == np.float32}
    try:
        if isinstance(family.decode, BinsDecode | AnglesDecode):
            decode, how = _angles(path, family, family.decode, outputs, columns)
        else:
            decode, how = _rotation(path, family, outputs, columns), "matched by width"
    except _Misfit:
        # The decode may be in the graph; the family's own, AnglesDecode, would have been found.
        if isinstance(family.decode, AnglesDecode):
            raise
        try:
            decode, how = _angles(path, family, _DEGREES, outputs, columns)
        except _Misfit:
            raise _misfit(path, family, outputs) from None
        how = f"angles in degrees, decoded in the graph; {how}"
    heads = tuple(dict.fromkeys(head.output for head in heads_of(decode)))
    return HeadMatch(decode, heads + _extras(family, columns, heads), how)


def probabilities(decode: Decode, outputs: Outputs) -> set[str]:
    """The outputs after a softmax: the decode's own would pull every angle to the middle.

    No value is below 0, and the rows, or a bins head's part of them, sum to 1.
    """
    found = set()
    for head in heads_of(decode):
        rows = outputs[head.output].reshape(len(outputs[head.output]), -1)
        if isinstance(head, BinHead) and any(
            (part >= 0).all() and (abs(part.sum(axis=1, dtype=np.float64) - 1) < _SUM_TOLERANCE).all()
            for part in (rows, rows[:, head.column : head.column + head.count])
        ):
            found.add(head.output)
    return found


def heads_of(decode: Decode) -> tuple[BinHead | AngleHead | RotationDecode, ...]:
    """The heads of a decode: yaw, pitch and roll, or the rotation."""
    return (decode.yaw, decode.pitch, decode.roll) if isinstance(decode, BinsDecode | AnglesDecode) else (decode,)


def describe(decode: Decode) -> str:
    """Describe the columns that the decode reads."""
    if isinstance(decode, BinsDecode | AnglesDecode):
        return ", ".join(
            f"{angle} from {head.output!r} {head.column}:{head.column + _count(head)}"
            for angle, head in zip(_ANGLES, (decode.yaw, decode.pitch, decode.roll), strict=True)
        )
    return f"{decode.kind} from {decode.output!r} {decode.column}:{decode.column + decode.width}"


def _angles(
    path: Path, family: Family, decode: BinsDecode | AnglesDecode, outputs: Outputs, columns: dict[str, int]
) -> tuple[Decode, str]:
    counts = {angle: _count(getattr(decode, angle)) for angle in _ANGLES}
    fused = [name for name, count in columns.items() if count == sum(counts.values())]
    heads: dict[str, Any] = {}
    if len(fused) == 1:
        column = 0
        for angle in family.original_order:
            heads[angle] = replace(getattr(decode, angle), output=fused[0], column=column)
            column += counts[angle]
        return replace(decode, **heads), _ASSUMED
    fitting = [name for name, count in columns.items() if count in counts.values()]
    named = {angle: [name for name in fitting if angle in name.lower()] for angle in _ANGLES}
    if all(len(names) == 1 for names in named.values()):
        chosen, how = {angle: names[0] for angle, names in named.items()}, "matched by name"
    elif len(fitting) == len(_ANGLES):
        chosen, how = dict(zip(family.original_order, fitting, strict=True)), _ASSUMED
    else:
        raise _misfit(path, family, outputs)
    if len(set(chosen.values())) != len(_ANGLES) or any(columns[chosen[angle]] != counts[angle] for angle in _ANGLES):
        raise _misfit(path, family, outputs)
    for angle, output in chosen.items():
        heads[angle] = replace(getattr(decode, angle), output=output, column=0)
    return replace(decode, **heads), how


def _rotation(path: Path, family: Family, outputs: Outputs, columns: dict[str, int]) -> Decode:
    decode = family.decode
    assert isinstance(decode, RotationDecode)
    fitting = [name for name, count in columns.items() if count == decode.width]
    if isinstance(decode, Rot6dDecode):
        fitting += [
            name for name, count in columns.items() if count == MatrixDecode.width and _is_rotation(outputs[name])
        ]
    if len(fitting) > 1:
        raise ModelError(
            f"{path}: more than one output may be {family.name}'s rotation: {_describe(outputs, fitting)}; leave one "
            "of them in the graph"
        )
    if not fitting:
        raise _misfit(path, family, outputs)
    output, shape = fitting[0], outputs[fitting[0]].shape[1:]
    if columns[output] == MatrixDecode.width and decode.width != MatrixDecode.width:
        return MatrixDecode(output=output, signs=decode.signs)
    if max(shape) != decode.width:
        raise ModelError(
            f"{path}: the output {_describe(outputs, fitting)} does not show which axis counts the vectors; "
            f"reshape it in the graph to [N, {decode.width}], one vector after the other"
        )
    return replace(decode, output=output)


def _is_rotation(array: NDArray[Any]) -> bool:
    """True where each row is a rotation matrix; the gate catches NaN."""
    matrix = array.reshape(-1, 3, 3).astype(np.float64)
    apart = abs(matrix @ matrix.swapaxes(1, 2) - np.eye(3))
    volume = (np.cross(matrix[:, 0], matrix[:, 1]) * matrix[:, 2]).sum(axis=1)  # below 0 for a mirrored one
    return not ((apart > _ROTATION_TOLERANCE).any() or (volume < 0).any())


def _extras(family: Family, columns: dict[str, int], heads: tuple[str, ...]) -> tuple[str, ...]:
    """The family's other outputs in the file, matched by name or else by width."""
    if len(family.outputs) == 1:
        return ()
    with torch.device("meta"), torch.inference_mode():
        size = family.input.size
        widths = [output.shape[1] for output in family.builds[0]().eval()(torch.empty(1, 3, size, size))]
    found: list[str] = []
    for name, width in list(zip(family.outputs, widths, strict=True))[1:]:
        fitting = [each for each, count in columns.items() if count == width and each not in (*heads, *found)]
        named = [each for each in fitting if name in each.lower()]
        found += (named or fitting) if len(named or fitting) == 1 else []
    return tuple(found)


class _Misfit(ModelError):
    """The outputs are not the family's."""


def _misfit(path: Path, family: Family, outputs: Outputs) -> _Misfit:
    heads = heads_of(family.decode)
    if isinstance(family.decode, BinsDecode):
        wanted = f"{', '.join(str(_count(head)) for head in heads)} bins"
    elif isinstance(family.decode, Rot6dDecode):
        wanted = "6 numbers or a rotation matrix"
    elif isinstance(family.decode, MatrixDecode):
        wanted = "9 numbers"
    else:
        wanted = "4 numbers" if isinstance(family.decode, QuaternionDecode) else "3 angles"
    message = f"{path} does not have {family.name}'s outputs, {wanted} per face; its outputs are "
    message += describe_outputs(outputs) or "none with one row per face"
    if isinstance(family.decode, Rot6dDecode) and any(
        array[0].size == MatrixDecode.width for array in outputs.values()
    ):
        message += "; 9 numbers are a rotation matrix only if its rows are of length 1 and at right angles"
    return _Misfit(f"{message}; a spec of your own can say how they are read: --template prints one")


def describe_outputs(outputs: Outputs) -> str:
    """Names, dtypes and shapes of all outputs."""
    return _describe(outputs, list(outputs))


def _describe(outputs: Outputs, names: list[str]) -> str:
    """Names, dtypes and shapes."""
    return ", ".join(
        f"{name!r} {outputs[name].dtype} [{', '.join(['N', *map(str, outputs[name].shape[1:])])}]" for name in names
    )


def _count(head: Any) -> int:
    return head.count if isinstance(head, BinHead) else 1
