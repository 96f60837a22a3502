"""Rotations of foreign files: the order of their numbers, and the axes that they are meant in."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from hpe_edge.errors import ModelError
from hpe_edge.spec import Decode, MatrixDecode, QuaternionDecode

Reading = Literal["labels", "head-to-camera", "head-to-camera, xyzw", "opentrack-1"]
"""Readings of a rotation's numbers.

``"labels"``: the matrix is Rz(roll) Ry(yaw) Rx(pitch) of the label triple, a quaternion is w x y z; the usual one.
``"head-to-camera"``: the rotation R of a head, 1 for a face that looks into the camera, with axes to the right, down
and away. ``", xyzw"``: a quaternion in this order. ``"opentrack-1"``: likewise x y z w, with axes that point to the
camera, up and to the left, as opentrack's first models have them.
"""

# R = Rx(-pitch) Ry(yaw) Rz(roll), so its transpose is Rz(-roll) Ry(-yaw) Rx(pitch), which a decode with these signs
# reads. A quaternion is transposed by the signs of x, y and z.
_SIGNS = (-1.0, 1.0, -1.0)
_TRANSPOSED = ((0, 3, 6, 1, 4, 7, 2, 5, 8), (1.0,) * 9)
_QUATERNIONS = {
    "head-to-camera": ((0, 1, 2, 3), (1.0, -1.0, -1.0, -1.0)),
    "head-to-camera, xyzw": ((3, 0, 1, 2), (1.0, -1.0, -1.0, -1.0)),
    # Camera axes (x, y, z) are (-z, -y, -x) of the others; the transpose's signs are taken off again.
    "opentrack-1": ((3, 2, 1, 0), (1.0, 1.0, 1.0, 1.0)),
}

Columns = tuple[tuple[int, ...], tuple[float, ...]]
"""Numbers of the file's columns, in the order of the decode, and a factor for each."""


def check_reading(reading: Reading, decode: Decode) -> None:
    """Refuse a reading that does not apply.

    Raises:
        ModelError: the decode has no rotation of this kind, or other signs.
    """
    if reading == "labels":
        return
    fits = (QuaternionDecode, MatrixDecode) if reading == "head-to-camera" else (QuaternionDecode,)
    if not isinstance(decode, fits):
        kinds = " or ".join(kind.kind for kind in fits)
        raise ModelError(f"spec.rotation {reading!r} reads a {kinds}, and the decode is {decode.kind}")
    if decode.signs != (1.0, 1.0, 1.0):
        raise ModelError(f"spec.rotation {reading!r} sets the signs; leave decode.signs at 1, 1, 1")


def read_decode(reading: Reading, decode: Decode) -> Decode:
    """The decode of the rearranged numbers."""
    if reading == "labels" or not isinstance(decode, QuaternionDecode | MatrixDecode):
        return decode
    return replace(decode, column=0, signs=_SIGNS)


def rearranged(reading: Reading, decode: Decode) -> dict[str, Columns]:
    """Output -> its columns to read; empty where they are read as they stand."""
    if reading == "labels" or not isinstance(decode, QuaternionDecode | MatrixDecode):
        return {}
    columns, factors = _TRANSPOSED if isinstance(decode, MatrixDecode) else _QUATERNIONS[reading]
    return {decode.output: (tuple(decode.column + column for column in columns), factors)}
