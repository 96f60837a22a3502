"""Suite ``tails``: files of reduced precision beside their float32 originals, on thousands of hard faces, unlabelled.

Each face gives a plain crop and some disturbed ones, see :mod:`export.gate.hard_faces`, by another seed than the
accuracy gate's. Distances are those of the two rotations, by each backend from ONNX Runtime's of the float32 file. A
crop is doubtful where both say so, as in the gate's limits. Beside them stands the float32 file's own change by noise
of half a level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.hard.level_noise import LevelNoise
from benchmarks.harness.suite import BudgetLine, Suite, option, path_option, positive
from benchmarks.harness.timing import Effort, Result, measure
from benchmarks.inputs.folders import evenly_chosen
from benchmarks.inputs.precision_variants import PrecisionVariant, network_case, open_variants
from export.gate.comparison import ALL, CONFIDENT, DOUBTFUL, INT8_LIMITS, PLAIN, Figures
from export.gate.crops import cut_out
from export.gate.hard_faces import KINDS, hard_face
from hpe_edge.backends.options import Precision
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.errors import InputError
from hpe_edge.geometry import geodesic_deg

_SEED = 15
_LEAST_SIDE = 12  # of a face in pixels; YuNet's smallest boxes are often no faces
_QUICK_FACES = 4

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Options:
    models: Sequence[Sequence[Path]] = path_option(
        "the float32 file, then those made from it; once for each network",
        metavar="MODEL.onnx",
        flags=["--models", "--forms"],
        nargs="+",
        action="append",
    )
    faces: Sequence[Sequence[Path]] = path_option(
        "a folder of pictures and the CSV of its face boxes; may be repeated", metavar="PATH", nargs=2, action="append"
    )
    most: int = option("faces of each folder, evenly chosen", 700, type=positive, metavar="N")
    copies: int = option("disturbed crops of each face", 4, type=positive, metavar="N")
    openvino: Sequence[Precision] = option(
        "run every file by OpenVINO, too, in each of these", (), nargs="+", choices=get_args(Precision)
    )


@dataclass(frozen=True)
class _HardFace:
    kind: str
    image: Image
    box: NDArray[np.float32]


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    most = _QUICK_FACES if effort.quick else options.most
    for paths in options.models:
        with ExitStack() as stack:
            variants = open_variants(paths, options.openvino, stack, same_crops=True)
            yield from _network(variants, options.faces, most, options.copies, effort)


def _network(
    variants: Sequence[PrecisionVariant], folders: Sequence[Sequence[Path]], most: int, copies: int, effort: Effort
) -> Iterator[Result]:
    rng = np.random.default_rng(_SEED)
    rotations: list[list[NDArray[np.float32]]] = [[] for _ in variants]
    doubts: list[list[NDArray[np.bool_]]] = [[] for _ in variants]
    kinds: list[str] = []
    first: _HardFace | None = None
    noise = LevelNoise(variants[0].path)
    for face in (face for folder, boxes in folders for face in _faces(folder, boxes, most, copies, rng)):
        first = first or face
        kinds.append(face.kind)
        noise.add(face.image, face.box)
        for own, doubt, variant in zip(rotations, doubts, variants, strict=True):
            poses = variant.engine(face.image, face.box[None], boxes_from="landmarks")
            own.append(poses.rotation)
            doubt.append(poses.doubtful)
    if first is None:
        raise InputError(f"{folders[0][0]} has no face of at least {_LEAST_SIDE} pixels in {folders[0][1]}")
    timed = measure(network_case(variants, first.image, first.box[None]), effort)
    reference = np.concatenate(rotations[0])
    names = np.array(kinds)
    for variant, own, doubt in zip(variants, rotations, doubts, strict=True):
        distance = geodesic_deg(reference, np.concatenate(own))
        spec = variant.engine.spec
        step = spec.quantizations[-1] if spec.quantizations else None
        rows = {ALL: distance, "all hard crops": distance[names != PLAIN]}
        doubtful = np.concatenate(doubts[0]) & np.concatenate(doubt)
        if doubtful.any() and not doubtful.all():
            rows |= {CONFIDENT: distance[~doubtful], DOUBTFUL: distance[doubtful]}
        rows |= {kind: distance[names == kind] for kind in (PLAIN, *KINDS) if (names == kind).any()}
        for kind, some in rows.items():
            yield Result(
                "tails",
                {
                    **timed.parameters,
                    "file": variant.path.stem,
                    "form": variant.label,
                    "numbers": spec.precision,
                    "layers in float32": len(step.kept) if step else 0,
                    "crops": kind,
                },
                figures=_figures(some),
            )
    for kind, some in noise.rows():
        yield Result(
            "noise", {**timed.parameters, "file": variants[0].path.stem, "crops": kind}, figures=_figures(some)
        )
    yield timed


def _faces(folder: Path, csv: Path, most: int, copies: int, rng: np.random.Generator) -> Iterator[_HardFace]:
    """The chosen faces of a folder, each followed by its disturbed copies."""
    source = evenly_chosen(folder, most)
    boxes = BoxesFile.for_source(csv, source)
    count = 0
    for frame in source:
        for box in boxes(frame):
            if (box[2:] - box[:2]).max() < _LEAST_SIDE or count == most:
                continue
            yield _HardFace(PLAIN, frame.image, box)
            image, place = cut_out(frame.image, box)
            for i in range(copies):
                kind = KINDS[(count * copies + i) % len(KINDS)]
                yield _HardFace(kind, *hard_face(kind, image, place, rng))
            count += 1


def _figures(distance: NDArray[np.float64]) -> dict[str, float | None]:
    found = Figures.of(distance)
    degrees = {"mean_deg": found.mean_deg, "p99_deg": found.p99_deg, "p999_deg": found.p999_deg}
    rounded = {name: round(value, 4) for name, value in {**degrees, "worst_deg": found.worst_deg}.items()}
    return {"number": found.crops, **rounded}


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    tails = [each for each in results if each.name == "tails" and each.parameters["numbers"] == "int8"]
    rows = {(each.parameters["form"], each.parameters["crops"]): each.figures for each in tails}
    lines = []
    limits = INT8_LIMITS.as_dict()
    for form in dict.fromkeys(form for form, _ in rows):
        figures = rows.get((form, CONFIDENT), rows[form, ALL])
        for name, words in (("p999_deg", "99.9th percentile"), ("worst_deg", "worst")):
            found = figures[name] or 0.0
            limit = limits[name]
            lines.append(
                BudgetLine(f"{form}: {words}", f"<= {limit:g} degrees", f"{found:.2f} degrees", found <= limit)
            )
    return lines


SUITE = Suite(
    "tails", "reduced precision on hard faces: percentiles and the worst, by disturbance", _run, Options, _budget
)
