"""Pointing'04: 15 people who look at 93 marks on the walls, twice (Gourier, Hall, Crowley, 2004, ICPR Pointing).

A photo's name says where the mark was: person01146-30+60.jpg is person 01, series 1, photo 46, tilt -30, pan +60
degrees. Tilt is our pitch, below 0 looking down, and pan our yaw, sign by sign. That is where people were asked to
look, with their heads and not their eyes; how far they turned nobody measured, and roll was not controlled: the label
has 0. So an error of some degrees is the labels' as much as a model's. The file beside a photo has the middle of the
face.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import Dataset, Face
from hpe_edge import SourceError

_EXPECTED = "Pointing'04's archive holds Person01/person01146-30+60.jpg with person01146-30+60.txt beside it, up to "
_EXPECTED += "Person15; name the folder that holds these fifteen"

_NAME = re.compile(r"person(?P<person>\d\d)[12]\d\d(?P<tilt>[+-]\d+)(?P<pan>[+-]\d+)\.jpg")


def pose_in_name(name: str) -> tuple[str, NDArray[np.float64]]:
    """The person, and yaw, pitch, roll ``[3]`` in degrees.

    Raises:
        SourceError: the name is not of this form.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise SourceError(f"{name} is not named as Pointing'04's photos are; {_EXPECTED}")
    return found["person"], np.array([float(found["pan"]), float(found["tilt"]), 0.0])


def _read(folder: Path) -> Iterator[Face]:
    photos = sorted(folder.glob("Person[0-9][0-9]/person*.jpg"))
    if not photos:
        raise SourceError(f"there is no photo of Pointing'04 in {folder}; {_EXPECTED}")
    for photo in photos:
        person, angles_deg = pose_in_name(photo.name)
        yield Face(photo, person, angles_deg, center=_center(photo.with_suffix(".txt")))


def _center(path: Path) -> NDArray[np.float64]:
    """The middle of the face: the file has the photo's name, "Face", and in a line each x, y, width and height."""
    try:
        after = path.read_text(encoding="ascii").split("Face", 1)[1].split()
        return np.array([float(number) for number in after[:2]]).reshape(2)
    except (OSError, ValueError, IndexError) as error:
        raise SourceError(f"cannot read {path}, which should say where the face is: {error}; {_EXPECTED}") from None


POINTING04 = Dataset("Pointing'04", "--pointing04", "FOLDER", _EXPECTED, "person", _read)
