"""Teacher models: exported ONNX files or checkpoints of the zoo, and the rotations that they see in every patch."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from export.gate.gate import Runner, backend_runner
from export.step import Reporter, quiet
from export.teaching.arrays import (
    FACE,
    MIDDLE,
    MIRROR,
    RIM,
    SEED,
    SIDE,
    Float64Array,
    Image,
    Patches,
    turned_square,
    warp,
)
from export.teaching.cache import cached
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import ModelSpec

LOOKS = 4  # at each patch, every second one mirrored
_CHUNK = 2  # patches at once
_TURN_DEG, _SCALE, _SHIFT = 6.0, 0.06, 0.03  # standard deviations between the looks; the shift in box sides
_CACHE_FORMAT = 3


@dataclass(frozen=True)
class Teacher:
    """A teacher model.

    Attributes:
        name: of its file.
        sha256: of the file's bytes, in hexadecimal.
        spec: its spec.
        open: makes a runner of the network; each thread needs its own.
        net: the torch module of a checkpoint; None for an ONNX file.
    """

    name: str
    sha256: str
    spec: ModelSpec
    open: Callable[[], Runner]
    net: nn.Module | None = None


def open_teacher(path: Path, report: Reporter = quiet) -> Teacher:
    """Load a teacher; a checkpoint's family is reported.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: neither an ONNX model with a spec nor a checkpoint of a family that the zoo recognises.
    """
    if path.suffix != ".onnx":
        from export.checkpoints.network import load_network

        try:
            network = load_network([path], [], trust=False, report=report)
        except ModelNotFoundError:
            raise
        except ModelError as error:
            raise ModelError(f"{error}. A teacher can also be an ONNX file by hpe-edge export onnx") from None
        return Teacher(path.name, network.spec.origin.sha256, network.spec, lambda: network.run, network.net)
    if not path.is_file():
        raise ModelNotFoundError(f"there is no teacher {path}; check the name")
    backend = OnnxRuntimeBackend(path, threads=1)  # the cores run different faces
    if backend.max_batch < _CHUNK * LOOKS:
        raise ModelError(f"{path} takes batches of {backend.max_batch}; export it with a dynamic batch to teach")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Teacher(path.name, sha256, backend.spec, lambda: backend_runner(backend))


def cached_looks(teacher: Teacher, patches: Patches, cache: Path) -> tuple[NDArray[np.float32], bool]:
    """The rotations of :func:`look`, and True where they come from the cache folder.

    A cache file belongs to one model file and one set of faces.

    Raises:
        ModelError: the teacher predicts NaN.
        OutputError: the cache cannot be written to.
    """
    spec = teacher.spec
    content = f"{_CACHE_FORMAT} {teacher.sha256} {spec.input} {spec.crop} {spec.decode} {patches.digest}"
    return cached(cache, teacher.name, content, lambda: look(teacher, patches))


def look(teacher: Teacher, patches: Patches) -> NDArray[np.float32]:
    """The rotations ``[N, LOOKS, 3, 3]`` that a teacher sees, on all cores.

    The looks differ in turn, size, place and side; the turn and the mirror are undone.

    Raises:
        ModelError: it predicts NaN.
    """
    spec, count = teacher.spec, len(patches)
    crop, decode = CropNormalize(spec.crop, spec.input), DecodeHeads(spec)
    rotations = np.empty((count, LOOKS, 3, 3), np.float32)
    own = threading.local()

    def run_part(start: int) -> None:
        if not hasattr(own, "run"):
            own.run = teacher.open()
        part = range(start, min(start + _CHUNK, count))
        looks = [each for face in part for each in _looks(patches, face)]
        outputs = own.run(np.concatenate([crop(picture, box[None]) for picture, box, _ in looks]))
        back = np.stack([each[2] for each in looks])
        seen = decode(outputs).rotation
        flipped = np.linalg.det(back) < 0
        seen[flipped] = seen[flipped] @ MIRROR
        rotations[part.start : part.stop] = (back @ seen).reshape(-1, LOOKS, 3, 3)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        starts = range(0, count, _CHUNK)
        try:
            for _ in tqdm(
                threads.map(run_part, starts), desc=teacher.name, total=len(starts), unit="batch", disable=None
            ):
                pass
        except BaseException:
            threads.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest
            raise
    if np.isnan(rotations).any():
        raise ModelError(f"the teacher {teacher.name} predicts NaN; its weights are damaged")
    return rotations


def _looks(patches: Patches, face: int) -> list[tuple[Image, NDArray[np.float32], Float64Array]]:
    """Picture, box ``[4]`` and the way back from its rotation, ``[3, 3]``, of each look at a patch."""
    rng = np.random.default_rng([SEED, face])
    half = (patches.boxes[face, 2:] - patches.boxes[face, :2]) / 2
    looks = []
    for number in range(LOOKS):
        turn, mirror = rng.normal(0, _TURN_DEG), number % 2 == 1
        view = turned_square(np.array([MIDDLE, MIDDLE]), SIDE, turn, SIDE, mirror=mirror)
        picture = warp(patches.pictures[face], view, SIDE)
        picture = np.asarray(cv2.copyMakeBorder(picture, RIM, RIM, RIM, RIM, cv2.BORDER_REPLICATE), np.uint8)
        middle = MIDDLE + RIM + _SHIFT * FACE * rng.normal(size=2)
        sides = half * np.exp(_SCALE * rng.normal())
        box = np.concatenate([middle - sides, middle + sides]).astype(np.float32)
        upright = np.asarray(rotation_from_euler(np.array([0.0, 0.0, -turn])), np.float64)
        # A mirrored face has the rotation M R M: M to its left here, to its right in look().
        looks.append((picture, box, MIRROR @ upright if mirror else upright))
    return looks
