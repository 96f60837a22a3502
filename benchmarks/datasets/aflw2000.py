"""AFLW2000-3D: 2000 photos of AFLW with a fitted 3D face each (Zhu et al., 2016, arXiv:1511.07212).

The box is that of pt3d_68, the 68 landmarks with the hidden ones where the fitted face has them. pt2d has 21 points, of
which hidden ones stand at -1: a box of those reaches to the picture's corner.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import Dataset, Face, tight_box
from benchmarks.datasets.mat_file import photos_of, read_mat

_EXPECTED = "AFLW2000-3D's archive holds AFLW2000/image00002.jpg with image00002.mat beside it; name that folder"


def landmarks(photo: Path) -> NDArray[np.float64]:
    """The 68 points of the ``.mat`` file beside a photo, seen from the front: ``[68, 2]``."""
    return read_mat(photo.with_suffix(".mat"), "pt3d_68")[1]


def _read(folder: Path) -> Iterator[Face]:
    for photo in photos_of(folder, "image*.jpg", _EXPECTED):
        angles_deg, points = read_mat(photo.with_suffix(".mat"), "pt3d_68")
        yield Face(photo, photo.stem, angles_deg, tight_box(points))


AFLW2000 = Dataset("AFLW2000-3D", "--aflw2000", "FOLDER", _EXPECTED, "photo", _read)
