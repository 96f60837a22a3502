"""Suite ``consistency``: unlabelled faces darkened, flattened and turned, beside the model's own answers before.

What the engine adds to the network is judged beside the network alone: the contrast stretch of dark and flat crops, and
the search of doubtful faces. Distances are those of the two rotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.hard.turned import turned
from benchmarks.harness.suite import Suite, option, path_option, positive
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.folders import evenly_chosen
from export.gate.gate import backend_runner, poses_of
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.geometry import geodesic_deg, rotation_from_euler
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.stretch import SMALL_RANGE, ContrastStretch

EXPOSURES, CONTRASTS = (0.3, 0.1, 0.05), (0.3, 0.1)
GREY = 128.0  # about which faces are flattened
STEP_DEG = 15
SURE_DEG = 12.0  # sigma below which an answer about no face is a bad one
OFF_DEG = 30.0
_EMPTY_BOX = (0.25, 0.75)  # of a picture without faces
_QUICK, _QUICK_STEP_DEG = 3, 90

Image = NDArray[np.uint8]
Face = tuple[Image, NDArray[np.float32]]


@dataclass(frozen=True)
class Options:
    models: Sequence[Path] = path_option("the models", metavar="MODEL.onnx", nargs="+")
    faces: Sequence[Sequence[Path]] = path_option(
        "a folder of pictures and the CSV of its face boxes; may be repeated", metavar="PATH", nargs=2, action="append"
    )
    empty: Path | None = path_option("a folder of pictures without faces", None, metavar="FOLDER")
    most: int = option("pictures of each folder, evenly chosen", 100, type=positive, metavar="N")


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    most = _QUICK if effort.quick else options.most
    faces = [face for folder, boxes in options.faces for face in _faces(folder, boxes, most)]
    if not faces:
        raise InputError(f"{options.faces[0][0]} has no face in {options.faces[0][1]}")
    empty = [] if options.empty is None else list(_without_faces(options.empty, most))
    for path in options.models:
        for light, figures in _in_light(path, faces):
            yield Result("light", {"model": path.stem, "light": light, "faces": len(faces)}, figures=figures)
        yield from _when_turned(path, faces, empty, range(0, 360, _QUICK_STEP_DEG if effort.quick else STEP_DEG))


def _when_turned(path: Path, faces: Sequence[Face], empty: Sequence[Face], rolls: Sequence[int]) -> Iterator[Result]:
    """Yield what the search changes; nothing of a model without calibrated sigma, which asks no face again."""
    with ExitStack() as stack:
        asked = stack.enter_context(PoseEngine(path, threads=1))
        if asked.spec.sigma is None:
            return
        backend = OnnxRuntimeBackend(path, threads=1)
        backend.spec = replace(backend.spec, sigma=None)
        first = stack.enter_context(PoseEngine.of_backend(backend))
        engines = ("off", first, np.array(asked.spec.sigma.factors)), ("on", asked, np.ones(3))
        for search, engine, _ in engines:
            off = np.array([_turns(engine, face, rolls) for face in faces])
            figures: dict[str, float | None] = {
                "mean_deg": float(off.mean()),
                "p99_deg": float(np.percentile(off, 99)),
                "beyond_30_percent": float(100 * (off > OFF_DEG).mean()),
            }
            yield Result("turned", {"model": path.stem, "search": search, "faces": len(faces)}, figures=figures)
        for search, engine, factors in engines if empty else ():
            sure = [_sigma(engine, picture, box, factors) < SURE_DEG for picture, box in empty]
            figures = {"sure_percent": 100 * float(np.mean(sure))}
            yield Result("no face", {"model": path.stem, "search": search, "boxes": len(empty)}, figures=figures)


def _faces(folder: Path, csv: Path, most: int) -> Iterator[Face]:
    source = evenly_chosen(folder, most)
    boxes = BoxesFile.for_source(csv, source)
    for frame in islice(source, most):
        for box in boxes(frame)[:1]:
            yield frame.image, box


def _without_faces(folder: Path, most: int) -> Iterator[Face]:
    for frame in islice(evenly_chosen(folder, most), most):
        size = np.array(frame.image.shape[1::-1], np.float32)
        yield frame.image, np.concatenate([size * part for part in _EMPTY_BOX]).astype(np.float32)


def _in_light(path: Path, faces: Sequence[Face]) -> Iterator[tuple[str, dict[str, float | None]]]:
    """Yield light and figures: the network alone, and on crops that the engine's rule stretches."""
    backend = OnnxRuntimeBackend(path, threads=1)
    spec, run = backend.spec, backend_runner(backend)
    cut, stretch = CropNormalize(spec.crop, spec.input), ContrastStretch(spec.crop, spec.input)

    def rotations(crops: NDArray[Any]) -> NDArray[np.float32]:
        return poses_of(run, spec, crops, 1).rotation

    def crops_of(gain: float, offset: float) -> NDArray[Any]:
        seen = [(np.clip(np.rint(image * gain + offset), 0, 255).astype(np.uint8), box) for image, box in faces]
        return np.concatenate([cut(image, box[None]) for image, box in seen])

    day = crops_of(1.0, 0.0)
    known = rotations(day)
    ranges = np.array([_range(image, box) for image, box in faces])
    marked = np.zeros(len(day), np.bool_)
    stretch(day, marked)
    yield (
        "as it is",
        {
            "least_range": float(ranges.min()),
            "median_range": float(np.median(ranges)),
            "below_limit_percent": float(100 * (ranges < SMALL_RANGE).mean()),
            "stretched_percent": float(100 * marked.mean()),
        },
    )
    lights = [(f"{gain:.0%} of the light", gain, 0.0) for gain in EXPOSURES]
    lights += [(f"{gain:.0%} of the contrast", gain, GREY * (1 - gain)) for gain in CONTRASTS]
    for name, gain, offset in lights:
        crops = crops_of(gain, offset)
        alone = geodesic_deg(rotations(crops), known)
        marked = np.zeros(len(crops), np.bool_)
        stretch(crops, marked)
        with_stretch = geodesic_deg(rotations(crops), known)
        yield (
            name,
            {
                "network_alone_mean_deg": float(alone.mean()),
                "network_alone_p99_deg": float(np.percentile(alone, 99)),
                "stretched_mean_deg": float(with_stretch.mean()),
                "stretched_p99_deg": float(np.percentile(with_stretch, 99)),
                "stretched_percent": float(100 * marked.mean()),
            },
        )
    backend.close()


def _range(image: Image, box: NDArray[np.float32]) -> float:
    """Levels between the 1st and the 99th percentile of a box."""
    x1, y1, x2, y2 = np.rint(np.clip(box, 0, [*image.shape[1::-1]] * 2)).astype(int)
    low, high = np.percentile(image[y1:y2, x1:x2], (1, 99))
    return float(high - low)


def _turns(engine: PoseEngine, face: Face, rolls: Sequence[int]) -> list[float]:
    """Distance at each roll from the upright picture's answer, turned."""
    image, box = face
    known = engine(image, box[None], boxes_from="landmarks").rotation[0]
    off = []
    for roll in rolls:
        picture, place = turned(image, box, roll)
        found = engine(picture, place[None], boxes_from="landmarks").rotation[0]
        off.append(float(geodesic_deg(found, rotation_from_euler(np.array([0.0, 0.0, roll])) @ known)))
    return off


def _sigma(engine: PoseEngine, image: Image, box: NDArray[np.float32], factors: NDArray[np.float64]) -> float:
    sigma = engine(image, box[None], boxes_from="landmarks").sigma[0] * factors
    return float(np.sqrt(np.mean(np.square(sigma))))


SUITE = Suite("consistency", "unlabelled faces darkened, flattened and turned", _run, Options)
