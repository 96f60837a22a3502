"""Check of the promise that a .hpe file gives the same answers on every processor.

The file holds the answers to three small pictures, which were worked out when it was made: logits, angles, sigma and
rotations. The pictures are formulas in whole numbers, so the file need not hold them. Every path of the machine at hand
answers them again, from the crop to the rotation. In INT8 all bits must be the same. In FP32, networks add in an order
of their own on each path, and the answers may differ as far as below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.native.native_backend import NativeBackend
from hpe_edge.errors import ModelError
from hpe_edge.ops.crop import CropNormalize, isa_names
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.native import native

FP32_LOGITS = 1e-3
"""Largest difference of a logit in FP32."""

FP32_DEG = 0.05
"""Largest difference of an angle in FP32, in degrees."""

_SIZE = 96  # pixels of a picture's side
_BOXES = np.array([[20, 16, 76, 84], [-13.5, 40.25, 31, 99.75], [41, 37, 52, 51]], np.float32)
_TURNS_DEG = np.array([0, 0, 33], np.float32)
_PICTURES = 3
_ANGLES = slice(-15, -12)  # of a face's numbers: angles and sigma [3], rotation [9]


@dataclass(frozen=True)
class PathCheck:
    """Answers of one path of this machine, beside the file's.

    Attributes:
        stage: what has run on it; the other stage has run on its best path.
        isa: its name.
        passed: the answers are those of the file: in INT8 to the bit, in FP32 within the limits above.
        logits: largest difference of a logit.
        angles_deg: largest difference of an angle.
    """

    stage: Literal["crop and decode", "network"]
    isa: str
    passed: bool
    logits: float
    angles_deg: float


def find_answers(path: Path, *, network: str = "", ops: str = "") -> NDArray[np.float32]:
    """Run the pictures through a .hpe file.

    Args:
        path: the file.
        network: one of ``native.network_isa_names()``; the best if empty.
        ops: one of :func:`hpe_edge.ops.crop.isa_names`, for crop and decode; the best if empty.

    Returns:
        ``[9, columns]``: of each face its logits, angles, sigma and rotation.

    Raises:
        ModelError: the file cannot be loaded.
    """
    backend = NativeBackend(path, threads=1, isa=network)
    spec = backend.spec
    crop, decode, context = CropNormalize(spec.crop, spec.input, ops), DecodeHeads(spec, ops), backend.context()
    rows = []
    for picture in range(_PICTURES):
        crop(_picture(picture), _BOXES, context.input(len(_BOXES)), turns_deg=_TURNS_DEG)
        outputs = context.run(len(_BOXES))
        poses = decode(outputs)
        rows.append(np.concatenate([*outputs, poses.angles, poses.sigma, poses.rotation.reshape(-1, 9)], axis=1))
    backend.close()
    return np.concatenate(rows)


def verify(path: Path) -> Iterator[PathCheck]:
    """Run the pictures through every path of this machine.

    Args:
        path: a .hpe file.

    Yields:
        A check of each path of crop and decode, then of each path of the network.

    Raises:
        ModelError: the file cannot be loaded, or it holds no answers.
    """
    backend = NativeBackend(path, threads=1)
    exact, data = backend.int8, backend.answers
    backend.close()
    wanted = np.frombuffer(data, "<f4").astype(np.float32)
    first = find_answers(path, network="baseline", ops="baseline")
    if wanted.size != first.size:
        raise ModelError(
            f"{path} holds no answers to compare with; make it again: hpe-edge export native MODEL.onnx -o {path}"
        )
    wanted = wanted.reshape(first.shape)
    for isa in isa_names():
        yield _check("crop and decode", isa, wanted, find_answers(path, ops=isa), exact)
    for isa in native.network_isa_names():
        yield _check("network", isa, wanted, find_answers(path, network=isa), exact)


def _check(
    stage: Literal["crop and decode", "network"],
    isa: str,
    wanted: NDArray[np.float32],
    got: NDArray[np.float32],
    exact: bool,
) -> PathCheck:
    logits = float(np.abs(got - wanted)[:, : _ANGLES.start].max())
    around = np.abs(got - wanted)[:, _ANGLES] % 360
    degrees = float(np.minimum(around, 360 - around).max())
    same = bool((got.view(np.uint32) == wanted.view(np.uint32)).all())
    close = logits <= FP32_LOGITS and degrees <= FP32_DEG
    return PathCheck(stage, isa, same or (close and not exact), logits, degrees)


def _picture(number: int) -> NDArray[np.uint8]:
    """Return a picture ``[96, 96, 3]`` of waves whose length changes, in whole numbers."""
    y, x, channel = np.ogrid[:_SIZE, :_SIZE, :3]
    wave = 3 * x * x + (5 + number) * y * y + 7 * x * y + 61 * channel * (x + y) + 97 * number * x
    return np.asarray((wave >> 4) & 255, np.uint8)
