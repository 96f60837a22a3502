"""Labelled pictures for the detector's training: scenes of people, empty scenes, and single faces to paste."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.labelling.found import Found
from export.labelling.fuse import NO_LABELS, Labels, fuse
from export.labelling.hull import Float64Array
from hpe_edge.errors import SourceError
from hpe_edge.opencv.lazy import cv2

Image = NDArray[np.uint8]

_KEPT = {"people": (10, 7), "object": (5, 3), "face": (20, 7)}  # numbers with this remainder are held out
_KEPT_PERSONS = ("14", "15")  # of Pointing'04
# Animals' faces are no faces to find, though the teachers find some. These scenes of ImageNet's animals show people
# too and are left out, by looking at all of them; the others count as empty.
_LAST_ANIMAL = "n02655020"
_ANIMALS_WITH_PEOPLE = frozenset(
    (4, 53, 141, 146, 155, 162, 170, 182, 198, 202, 203, 216, 219, 228, 231, 239, 242, 254, 256, 258)
) | {265, 388, 390, 393, 394}
# Photos of people hold few turned faces. Key points tell them without a model, and for masked faces too.
_HALF_TURNED_DEG, _TURNED_DEG = 28.0, 48.0
_HALF_WEIGHT, _TURNED_WEIGHT = 2.0, 5.0  # chance to be drawn, of a frontal face's


@dataclass(frozen=True)
class Picture:
    """A picture with its faces.

    Attributes:
        name: of the file.
        image: BGR.
        labels: its faces.
        weight: chance to be drawn, relative to the other pictures of its kind; None: by its faces.
    """

    name: str
    image: Image
    labels: Labels
    weight: float | None = None

    @cached_property
    def face_weights(self) -> Float64Array:
        """Chance ``[N]`` of each face to be drawn; turned ones are rare and drawn more often."""
        return face_weights(self.labels.points)

    @property
    def chance(self) -> float:
        """Chance of the picture, relative to the others of its kind."""
        if self.weight is not None:
            return self.weight
        return float(self.face_weights.mean()) if len(self.labels) else 1.0


@dataclass(frozen=True)
class Pictures:
    """Pictures by kind; each list is for training or held out, never both.

    Attributes:
        people: scenes with faces.
        empty: scenes without.
        faces: single faces with a rim.
    """

    people: Sequence[Picture]
    empty: Sequence[Picture]
    faces: Sequence[Picture]


def load_pictures(
    scenes: Path, faces: Path, found: dict[str, tuple[tuple[int, int], list[Found]]], *, held_out: bool
) -> Pictures:
    """Load all pictures that have detections.

    Args:
        scenes: folder of ``people_*`` and ``object_*``.
        faces: folder of ``face_*`` and ``pointing04_*``, with ``pointing04_labels.csv``.
        found: the teachers' detections by file name, see :func:`export.labelling.teachers.read_found`.
        held_out: load the pictures that are kept back from training instead.
    """
    animals = _animals(scenes / "scenes.csv")
    persons = _persons(faces / "pointing04_labels.csv")
    people, empty, single = [], [], []
    for name in sorted(found):
        kind, number = _kind(name)
        kept = persons.get(name) in _KEPT_PERSONS if kind == "pointing04" else _is_kept(kind, number)
        if kept != held_out:
            continue
        labels = fuse(found[name][1])
        if kind in ("people", "object"):
            picture = Picture(name, _read(scenes / name), labels)
            if name in animals:
                if number not in _ANIMALS_WITH_PEOPLE:
                    empty.append(replace(picture, labels=NO_LABELS))
            elif len(labels):
                people.append(picture)
            elif kind == "object" and not len(labels.ignored):
                empty.append(picture)
        elif len(labels) == 1 and not len(labels.ignored):
            single.append(Picture(name, _read(faces / name), labels))
    return Pictures(people, empty, single)


def face_weights(points: Float64Array) -> Float64Array:
    """Chances ``[N]`` of faces to be drawn, from their key points ``[N, 5, 2]``; 1 for a frontal face."""
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    down = mouth - eyes
    down = down / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-9)
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    # The nose stands out from the eyes' plane by about half of the distance between the eyes.
    aside = 2 * np.abs(((points[:, 2] - eyes) * across).sum(axis=1))
    width = np.abs(((points[:, 1] - points[:, 0]) * across).sum(axis=1))
    turn = np.rad2deg(np.arctan2(aside, width))
    return np.select([turn > _TURNED_DEG, turn > _HALF_TURNED_DEG], [_TURNED_WEIGHT, _HALF_WEIGHT], 1.0)


def _kind(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"([a-z]+\d*?)_(\d+)\.\w+", name)
    if match is None:
        raise SourceError(f"{name} is not named kind_number, so it is not known whether it is held out")
    return match[1], int(match[2])


def _is_kept(kind: str, number: int) -> bool:
    every, remainder = _KEPT[kind]
    return number % every == remainder


def _animals(path: Path) -> set[str]:
    with path.open(newline="") as file:
        return {row["file"] for row in csv.DictReader(file) if "n0" < row["source"] <= _LAST_ANIMAL + "_~"}


def _persons(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["file"]: row["person"] for row in csv.DictReader(file)}


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise SourceError(f"{path} is no picture that OpenCV reads")
    return np.asarray(image, np.uint8)


def names_of(pictures: Iterable[Picture]) -> list[str]:
    """File names of pictures."""
    return [picture.name for picture in pictures]
