"""Teacher models: exported ONNX files or checkpoints of the zoo, and their predictions for every face."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.distillation import angle_grid
from export.distillation.arrays import FaceSource, Predictions
from export.gate.gate import Runner, backend_runner
from export.step import Reporter, quiet
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import BinHead, BinsDecode, ModelSpec
from hpe_edge.util.atomic import Pending, output_error

_CHUNK = 8  # faces at once
_CACHE_FORMAT = 2


@dataclass(frozen=True)
class Teacher:
    """A teacher model.

    Attributes:
        name: of its file.
        sha256: of the file's bytes, in hexadecimal.
        spec: its spec.
        open: makes a runner of the network; each thread needs its own.
    """

    name: str
    sha256: str
    spec: ModelSpec
    open: Callable[[], Runner]


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
        return Teacher(path.name, network.spec.origin.sha256, network.spec, lambda: network.run)
    if not path.is_file():
        raise ModelNotFoundError(f"there is no teacher {path}; check the name")
    backend = OnnxRuntimeBackend(path, threads=1)  # the cores run different faces
    if backend.max_batch < _CHUNK:
        raise ModelError(f"{path} takes batches of {backend.max_batch}; export it with a dynamic batch to teach")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Teacher(path.name, sha256, backend.spec, lambda: backend_runner(backend))


def cached_predictions(teacher: Teacher, source: FaceSource, cache: Path) -> tuple[Predictions, bool]:
    """The teacher's predictions, and True where they come from the cache folder.

    A cache file belongs to one model file and one set of faces.

    Raises:
        ModelError: the teacher predicts NaN.
        OutputError: the cache cannot be written to.
    """
    grid = f"{angle_grid.FIRST_DEG} {angle_grid.STEP_DEG} {angle_grid.COUNT}"
    content = f"{_CACHE_FORMAT} {teacher.sha256} {source.digest} {grid}"
    path = cache / f"{teacher.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.npz"
    if path.is_file():
        with np.load(path) as file:
            return Predictions(file["angles"], file.get("distributions")), True
    predictions = predict(teacher, source)
    arrays: dict[str, Any] = {"angles": predictions.angles} | (
        {} if predictions.distributions is None else {"distributions": predictions.distributions}
    )
    pending = Pending(path)
    try:
        np.savez(pending.temp, **arrays)
        pending.commit()
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        pending.discard()
    return predictions, False


def predict(teacher: Teacher, source: FaceSource) -> Predictions:
    """Run the teacher on all faces, on all cores.

    Raises:
        ModelError: it predicts NaN.
    """
    spec, count = teacher.spec, len(source)
    crop, decode, distributions_of = CropNormalize(spec.crop, spec.input), DecodeHeads(spec), _distribution_reader(spec)
    angles = np.empty((count, 3), np.float32)
    distributions = None if distributions_of is None else np.empty((count, 3, angle_grid.COUNT), np.float16)
    own = threading.local()

    def run_part(start: int) -> None:
        if not hasattr(own, "run"):
            own.run = teacher.open()
        part = slice(start, min(start + _CHUNK, count))
        outputs = own.run(np.concatenate([crop(source.image(i), source.boxes[i][None]) for i in range(count)[part]]))
        angles[part] = decode(outputs).angles
        if distributions_of is not None and distributions is not None:
            distributions[part] = distributions_of(outputs)

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
    if np.isnan(angles).any():
        raise ModelError(f"the teacher {teacher.name} predicts NaN; its weights are damaged")
    return Predictions(angles, distributions)


def _distribution_reader(spec: ModelSpec) -> Callable[[list[NDArray[np.float32]]], NDArray[np.floating]] | None:
    """Reader of ``[N, 3, COUNT]`` distributions from the outputs; None where there are none."""
    if not isinstance(spec.decode, BinsDecode):
        return None
    heads: list[tuple[int, BinHead]] = [
        (spec.outputs.index(head.output), head) for head in (spec.decode.yaw, spec.decode.pitch, spec.decode.roll)
    ]

    def read(outputs: list[NDArray[np.float32]]) -> NDArray[np.floating]:
        read_off = []
        for at, head in heads:
            flat = outputs[at].reshape(len(outputs[at]), -1)
            logits = flat[:, head.column : head.column + head.count].astype(np.float64)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            read_off.append(angle_grid.rebinned(odds / odds.sum(axis=1, keepdims=True), head))
        return np.stack(read_off, axis=1)

    return read
