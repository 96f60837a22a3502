"""Labelled pictures for the detector's training: scenes of people, empty scenes, and single faces to paste."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.labelling.found import Found
from export.labelling.fuse import NO_LABELS, Labels, fuse
from hpe_edge.errors import SourceError

Image = NDArray[np.uint8]

_KEPT = {"people": (10, 7), "object": (5, 3), "face": (20, 7)}  # numbers with this remainder are held out
_KEPT_PERSONS = ("14", "15")  # of Pointing'04
# Animals' faces are no faces to find, though the teachers find some. These scenes of ImageNet's animals show people
# too and are left out, by looking at all of them; the others count as empty.
_LAST_ANIMAL = "n02655020"
_ANIMALS_WITH_PEOPLE = frozenset(
    (4, 53, 141, 146, 155, 162, 170, 182, 198, 202, 203, 216, 219, 228, 231, 239, 242, 254, 256, 258)
) | {265, 388, 390, 393, 394}
_PROFILE_DEG = 75  # nominal pan from which on a face of Pointing'04 is drawn more often
_PROFILE_WEIGHT = 3.0


@dataclass(frozen=True)
class Picture:
    """A picture with its faces.

    Attributes:
        name: of the file.
        image: BGR.
        labels: its faces.
        weight: chance to be drawn, relative to the other pictures of its kind.
    """

    name: str
    image: Image
    labels: Labels
    weight: float = 1.0


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
    persons, pans = _pointing(faces / "pointing04_labels.csv")
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
            weight = _PROFILE_WEIGHT if abs(pans.get(name, 0.0)) >= _PROFILE_DEG else 1.0
            single.append(Picture(name, _read(faces / name), labels, weight))
    return Pictures(people, empty, single)


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


def _pointing(path: Path) -> tuple[dict[str, str], dict[str, float]]:
    if not path.exists():
        return {}, {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["file"]: row["person"] for row in rows}, {row["file"]: float(row["pan_deg"]) for row in rows}


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise SourceError(f"{path} is no picture that OpenCV reads")
    return np.asarray(image, np.uint8)


def names_of(pictures: Iterable[Picture]) -> list[str]:
    """File names of pictures."""
    return [picture.name for picture in pictures]
