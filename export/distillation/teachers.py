"""Teachers: any exported ONNX model, or a checkpoint of the zoo, and what it says of every face or scene."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.checkpoints.network import load_network
from export.distillation import grid
from export.distillation.patches import Patches
from export.distillation.scenes import Scenes
from export.gate.gate import Runner, backend_runner
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import BinHead, BinsDecode, ModelSpec
from hpe_edge.util.atomic import Pending, output_error

Shown: TypeAlias = Patches | Scenes

_CHUNK = 8  # faces at once
_CACHE_FORMAT = 2


@dataclass(frozen=True)
class Answers:
    """What one teacher says of N faces.

    Attributes:
        angles: float32 ``[N, 3]``, yaw, pitch, roll in degrees.
        beliefs: float16 ``[N, 3, COUNT]`` on :mod:`export.distillation.grid`; None where the teacher gives plain angles
            or a rotation.
    """

    angles: NDArray[np.float32]
    beliefs: NDArray[np.float16] | None


@dataclass(frozen=True)
class Teacher:
    """A network that is believed.

    Attributes:
        name: of its file.
        sha256: of the file's bytes, in hexadecimal.
        spec: how it is fed and read.
        open: gives the network, one for each thread that runs it.
    """

    name: str
    sha256: str
    spec: ModelSpec
    open: Callable[[], Runner]


def open_teacher(path: Path) -> Teacher:
    """Load a teacher.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: neither an ONNX model with a spec nor a checkpoint of a family that the zoo recognises.
    """
    if path.suffix != ".onnx":
        try:
            network = load_network([path], [], trust=False)
        except ModelNotFoundError:
            raise
        except ModelError as error:
            raise ModelError(f"{error}. A teacher can also be an ONNX file that export.onnx made of it") from None
        return Teacher(path.name, network.spec.origin.sha256, network.spec, lambda: network.run)
    if not path.is_file():
        raise ModelNotFoundError(f"there is no teacher {path}; check the name")
    backend = OnnxRuntimeBackend(path, threads=1)  # faces, not sums, are shared out over the cores
    if backend.max_batch < _CHUNK:
        raise ModelError(f"{path} takes {backend.max_batch} faces a run; export it with a dynamic batch to teach")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Teacher(path.name, sha256, backend.spec, lambda: backend_runner(backend))


def cached_answers(teacher: Teacher, shown: Shown, cache: Path) -> tuple[Answers, bool]:
    """The teacher's answers, from the cache folder if they are there, and whether they were.

    A file of the cache belongs to one model file and to what was shown.

    Raises:
        ModelError: the teacher answers with NaN.
        OutputError: the cache cannot be written to.
    """
    content = f"{_CACHE_FORMAT} {teacher.sha256} {shown.digest} {grid.FIRST_DEG} {grid.STEP_DEG} {grid.COUNT}"
    path = cache / f"{teacher.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.npz"
    if path.is_file():
        with np.load(path) as file:
            return Answers(file["angles"], file.get("beliefs")), True
    answers = ask(teacher, shown)
    arrays: dict[str, Any] = {"angles": answers.angles} | (
        {} if answers.beliefs is None else {"beliefs": answers.beliefs}
    )
    pending = Pending(path)
    try:
        np.savez(pending.temp, **arrays)
        pending.commit()
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        pending.discard()
    return answers, False


def ask(teacher: Teacher, shown: Shown) -> Answers:
    """Run the teacher on all that is shown, on all cores.

    Raises:
        ModelError: it answers with NaN.
    """
    spec, count = teacher.spec, len(shown)
    crop, decode, believe = CropNormalize(spec.crop, spec.input), DecodeHeads(spec), _belief_reader(spec)
    angles = np.empty((count, 3), np.float32)
    beliefs = None if believe is None else np.empty((count, 3, grid.COUNT), np.float16)
    own = threading.local()

    def answer(start: int) -> None:
        if not hasattr(own, "run"):
            own.run = teacher.open()
        part = slice(start, min(start + _CHUNK, count))
        outputs = own.run(np.concatenate([crop(shown.image(i), shown.boxes[i][None]) for i in range(count)[part]]))
        angles[part] = decode(outputs).angles
        if believe is not None and beliefs is not None:
            beliefs[part] = believe(outputs)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        starts = range(0, count, _CHUNK)
        try:
            for _ in tqdm(
                threads.map(answer, starts), desc=teacher.name, total=len(starts), unit="batch", disable=None
            ):
                pass
        except BaseException:
            threads.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest
            raise
    if np.isnan(angles).any():
        raise ModelError(f"the teacher {teacher.name} answers with NaN; its weights are damaged")
    return Answers(angles, beliefs)


def _belief_reader(spec: ModelSpec) -> Callable[[list[NDArray[np.float32]]], NDArray[np.floating]] | None:
    """What reads ``[N, 3, COUNT]`` beliefs off the outputs; None where there are none."""
    if not isinstance(spec.decode, BinsDecode):
        return None
    heads: list[tuple[int, BinHead]] = [
        (spec.outputs.index(head.output), head) for head in (spec.decode.yaw, spec.decode.pitch, spec.decode.roll)
    ]

    def read(outputs: list[NDArray[np.float32]]) -> NDArray[np.floating]:
        said = []
        for at, head in heads:
            flat = outputs[at].reshape(len(outputs[at]), -1)
            logits = flat[:, head.column : head.column + head.count].astype(np.float64)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            said.append(grid.rebinned(odds / odds.sum(axis=1, keepdims=True), head))
        return np.stack(said, axis=1)

    return read
