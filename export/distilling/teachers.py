"""Teachers: any exported ONNX model, or a checkpoint of the zoo, and what it says of every face in several views.

Each view shows the face as it is, mirrored, turned or in another box; what the teacher says of it is turned back, and
the mean is nearer to the truth than one answer. On 195 photos of AFLW2000 the mean of the lightweight network and of
both FSA-Nets (2 : 1 : 1) errs by 3.65 degrees from one view and by 3.54 from these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.distilling import grid
from export.distilling.patches import SIDE, Image, Patches
from export.distilling.turns import in_plane, mirror
from export.gate import Runner, backend_runner
from export.network import load_network
from hpe_edge.atomic import Pending, output_error
from hpe_edge.backends.onnxruntime import OnnxRuntimeBackend
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.geometry import difference_deg, euler_from_rotation
from hpe_edge.ops import CropNormalize, DecodeHeads
from hpe_edge.spec import BinHead, BinsDecode, ModelSpec

_CHUNK = 8  # faces at once
_CACHE_FORMAT = 1


@dataclass(frozen=True)
class View:
    """How a face is shown to the teachers: turned clockwise, in a box so many times as large, mirrored after all."""

    turn_deg: float = 0.0
    box: float = 1.0
    mirrored: bool = False


VIEWS = (
    View(),
    View(mirrored=True),
    View(turn_deg=10, box=1.07),
    View(turn_deg=-10, box=1.07, mirrored=True),
    View(turn_deg=-10, box=0.95),
    View(turn_deg=10, box=0.95, mirrored=True),
)


@dataclass(frozen=True)
class Answers:
    """What one teacher says of N faces in V views, turned back to the faces as they are.

    Attributes:
        rotations: float32 ``[V, N, 3, 3]``.
        beliefs: float32 ``[V, N, 3, COUNT]`` on :mod:`export.distilling.grid`, about those rotations' angles; None
            where the teacher gives plain angles or a rotation.
    """

    rotations: NDArray[np.float32]
    beliefs: NDArray[np.float32] | None


@dataclass(frozen=True)
class Teacher:
    """A network that is believed.

    Attributes:
        name: of its file.
        sha256: of the file's bytes, in hexadecimal.
        spec: how it is fed and read.
        run: the network.
    """

    name: str
    sha256: str
    spec: ModelSpec
    run: Runner


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
        return Teacher(path.name, network.spec.origin.sha256, network.spec, network.run)
    if not path.is_file():
        raise ModelNotFoundError(f"there is no teacher {path}; check the name")
    backend = OnnxRuntimeBackend(path)
    if backend.max_batch < _CHUNK:
        raise ModelError(f"{path} takes {backend.max_batch} faces a run; export it with a dynamic batch to teach")
    return Teacher(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), backend.spec, backend_runner(backend))


def cached_answers(teacher: Teacher, patches: Patches, cache: Path) -> tuple[Answers, bool]:
    """The teacher's answers, from the cache folder if they are there, and whether they were.

    A file of the cache belongs to one model file, one set of faces and these views.

    Raises:
        ModelError: the teacher answers with NaN.
        OutputError: the cache cannot be written to.
    """
    content = f"{_CACHE_FORMAT} {teacher.sha256} {patches.digest} {VIEWS} {grid.FIRST_DEG} {grid.STEP_DEG} {grid.COUNT}"
    path = cache / f"{teacher.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.npz"
    if path.is_file():
        with np.load(path) as file:
            return Answers(file["rotations"], _unpacked(file["beliefs"]) if "beliefs" in file else None), True
    answers = ask(teacher, patches)
    arrays: dict[str, Any] = {"rotations": answers.rotations}
    if answers.beliefs is not None:
        arrays["beliefs"] = answers.beliefs.astype(np.float16)
    pending = Pending(path)
    try:
        np.savez(pending.temp, **arrays)
        pending.commit()
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        pending.discard()
    # As the cache gives them, so that a first run and a second one learn the same.
    return Answers(answers.rotations, _unpacked(arrays["beliefs"]) if "beliefs" in arrays else None), False


def ask(teacher: Teacher, patches: Patches) -> Answers:
    """Run the teacher on every view of every face.

    Raises:
        ModelError: it answers with NaN.
    """
    spec, count = teacher.spec, len(patches)
    crop, decode = CropNormalize(spec.crop, spec.input), DecodeHeads(spec)
    believe = _belief_reader(spec)
    rotations = np.empty((len(VIEWS), count, 3, 3), np.float32)
    beliefs = None if believe is None else np.empty((len(VIEWS), count, 3, grid.COUNT), np.float32)
    for start in tqdm(range(0, count, _CHUNK), desc=teacher.name, unit="batch", disable=None):
        part = slice(start, min(start + _CHUNK, count))
        for v, view in enumerate(VIEWS):
            shown = [
                _show(patches.image(i), patches.boxes[i].astype(np.float64), view) for i in range(part.start, part.stop)
            ]
            outputs = teacher.run(np.concatenate([crop(image, box[None]) for image, box in shown]))
            poses = decode(outputs)
            if np.isnan(poses.angles).any():
                raise ModelError(f"the teacher {teacher.name} answers with NaN; its weights are damaged")
            rotations[v, part] = _turned_back(poses.rotation.astype(np.float64), view)
            if believe is not None and beliefs is not None:
                said = believe(outputs)
                angles = poses.angles.astype(np.float64)
                if view.mirrored:
                    said, angles = grid.mirrored(said), angles * [-1, 1, -1]
                moved = difference_deg(euler_from_rotation(rotations[v, part]), angles)
                beliefs[v, part] = grid.shifted(said, moved)
    return Answers(rotations, beliefs)


def _unpacked(beliefs: NDArray[np.float16]) -> NDArray[np.float32]:
    """Probabilities that sum to 1 again."""
    wide = beliefs.astype(np.float32)
    wide /= wide.sum(axis=-1, keepdims=True)
    return wide


def _show(image: Image, box: NDArray[np.float64], view: View) -> tuple[Image, NDArray[np.float64]]:
    """The patch and the box as the view has them; a patch's box is in its middle, so both stay there."""
    matrix = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), -view.turn_deg, 1.0)
    if view.mirrored:
        matrix = np.array([[-1.0, 0.0, SIDE - 1.0], [0.0, 1.0, 0.0]]) @ np.vstack([matrix, [0, 0, 1]])
    if view.turn_deg or view.mirrored:
        image = np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    return image, SIDE / 2 + (box - SIDE / 2) * view.box


def _turned_back(rotations: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    if view.mirrored:
        rotations = mirror(rotations)
    return in_plane(np.array(-view.turn_deg)) @ rotations


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
