"""Decode head outputs to poses: checked interface of the native operation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.landmarks.decode_landmarks import DecodeLandmarks
from hpe_edge.ops.native import native
from hpe_edge.poses import Poses
from hpe_edge.spec import (
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    MatrixDecode,
    ModelSpec,
    QuaternionDecode,
    Rot6dDecode,
    RotationDecode,
)

_ROTATIONS: dict[type[RotationDecode], native.DecodeKind] = {
    Rot6dDecode: native.DecodeKind.ROT6D,
    MatrixDecode: native.DecodeKind.MATRIX,
    QuaternionDecode: native.DecodeKind.QUATERNION,
}

_FLOAT32 = np.dtype(np.float32)


class DecodeArguments(TypedDict):
    """Arguments of ``native.Decode`` and ``native.DecodeLaunch``."""

    kind: native.DecodeKind
    grids: list[tuple[float, float, int, bool, float]]
    factors: list[float]


def decode_arguments(spec: ModelSpec) -> DecodeArguments:
    """Return the native arguments of the decode of a spec's heads."""
    decode = spec.decode
    if isinstance(decode, BinsDecode):
        heads = (decode.yaw, decode.pitch, decode.roll)
        sigma_factors = (1.0, 1.0, 1.0) if spec.sigma is None else spec.sigma.factors
        grids = [
            (head.first_deg, head.step_deg, head.count, head.circular, factor)
            for head, factor in zip(heads, sigma_factors, strict=True)
        ]
        kind = native.DecodeKind.BINS if decode.order == "xyz" else native.DecodeKind.BINS_ZXY
        return {"kind": kind, "grids": grids, "factors": []}
    if isinstance(decode, AnglesDecode):
        factors = [h.factor for h in (decode.yaw, decode.pitch, decode.roll)]
        return {"kind": native.DecodeKind.ANGLES, "grids": [], "factors": factors}
    return {"kind": _ROTATIONS[type(decode)], "grids": [], "factors": list(decode.signs)}


def head_offsets(spec: ModelSpec) -> list[tuple[int, int]]:
    """Return the output's index and the first column of each head."""
    return [(spec.outputs.index(head.output), head.column) for head in spec.heads()]


class DecodeHeads:
    """Decode with fixed parameters.

    Head outputs become angles in degrees, their calibrated standard deviations and rotations. Bins are decoded by a
    numerically stable softmax and its expectation (circular heads: the circular mean); 6D vectors, matrices and
    quaternions by the label triple that they encode. A row with a NaN decodes to NaN throughout. Landmarks become
    points of the crop, see :class:`hpe_edge.landmarks.decode_landmarks.DecodeLandmarks`.

    Attributes:
        landmarks: decode of the heads beside the pose; None if there are none.
    """

    def __init__(self, spec: ModelSpec, isa: str = "") -> None:
        self.outputs = spec.outputs
        self._needed_columns = head_columns(spec)
        self._op = native.Decode(**decode_arguments(spec), places=head_offsets(spec), isa=isa)
        self.landmarks: DecodeLandmarks | None = None
        if spec.landmarks is not None:
            self.landmarks = DecodeLandmarks(spec.landmarks, spec.visibility, spec.outputs, isa)

    def room(self, count: int, **known: Any) -> Poses:
        """Allocate poses of N faces with all that the model gives; ``known`` as for :meth:`hpe_edge.Poses.empty`."""
        if self.landmarks is None:
            return Poses.empty(count, **known)
        return Poses.empty(count, landmarks=self.landmarks.count, visibility=self.landmarks.has_visibility, **known)

    def __call__(self, outputs: Sequence[NDArray[np.float32]], out: Poses | None = None) -> Poses:
        """Decode N faces.

        Args:
            outputs: float32 ``[N, columns]``, one array per name of ``self.outputs``; rows may be padded. ``[N, 3, 3]``
                is taken for a matrix head.
            out: Poses to fill, with landmarks if it has room for them; allocated if None.

        Returns:
            Poses of N faces; ``out`` when given. N may be 0.

        Raises:
            InputError: an output of the wrong number, dtype or shape.
        """
        if len(outputs) != len(self.outputs):
            raise InputError(f"decode needs {len(self.outputs)} arrays {self.outputs}, got {len(outputs)}")
        flat = list(map(self._check, self.outputs, outputs))
        count = len(flat[0])
        if len(flat) > 1 and any(len(array) != count for array in flat):
            raise InputError(f"outputs must agree in N, got {[array.shape for array in outputs]}")
        poses = self.room(count) if out is None else out
        if len(poses) != count:
            raise InputError(f"out must hold {count} faces, got {len(poses)}")
        self._op.run(flat, poses.angles, poses.sigma, poses.rotation)
        points, visibility = poses.marks
        if self.landmarks is not None and points is not None:
            self.landmarks(flat, points, visibility)
        return poses

    def fill_marks(
        self, outputs: Sequence[NDArray[np.float32]], found: Sequence[Poses], peaks: NDArray[np.float32] | None
    ) -> None:
        """Decode landmarks and visibility of a batch whose poses are decoded already.

        Args:
            outputs: see :meth:`__call__`; those that only the pose needs are not read.
            found: poses of the batch's faces in their order; those without room for landmarks are left alone.
            peaks: ``[N, count, 2]`` of the heatmaps, if they were found already.
        """
        start = 0
        for poses in found:
            rows = slice(start, start + len(poses))
            points, visibility = poses.marks
            if self.landmarks is not None and points is not None:
                part = [self._check(name, rows_of[rows]) for name, rows_of in zip(self.outputs, outputs, strict=True)]
                if peaks is None:
                    self.landmarks(part, points, visibility)
                else:
                    points[...] = peaks[rows]
                    self.landmarks.see(part, visibility)
            start += len(poses)

    def _check(self, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
        if array.ndim > 2:
            array = array.reshape(len(array), math.prod(array.shape[1:]))
        columns = self._needed_columns[name]
        if array.dtype != _FLOAT32 or array.ndim != 2 or array.shape[1] < columns:
            raise InputError(
                f"output {name!r} must be float32 [N, {columns}] or wider, got {array.dtype} {array.shape}"
            )
        row_stride, column_stride = array.strides
        if (column_stride != 4 or row_stride % 4 or not array.flags.aligned) and array.size:
            raise InputError(f"output {name!r} must have packed, aligned columns; pass a copy of it")
        return array


def head_columns(spec: ModelSpec) -> dict[str, int]:
    """Return output name -> number of columns that the decode reads, landmarks and visibility included."""
    needed = dict.fromkeys(spec.outputs, 0)
    for head in spec.heads():
        needed[head.output] = max(needed[head.output], head.column + _head_width(head))
    if (points := spec.landmarks) is not None:
        needed[points.output] = max(needed[points.output], points.column + points.width)
        if (seen := spec.visibility) is not None:
            needed[seen.output] = max(needed[seen.output], seen.column + points.count)
    return needed


def _head_width(head: BinHead | AngleHead | RotationDecode) -> int:
    if isinstance(head, BinHead):
        return head.count
    return head.width if isinstance(head, RotationDecode) else 1
