"""Labelled faces and the sets that they are read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError

QUICK_PHOTOS = 8  # of each set, where only a few are looked at


@dataclass(frozen=True)
class Face:
    """One face of a photo.

    Attributes:
        group: the person or photo; errors within a group are correlated.
        angles_deg: float64 ``[3]``, yaw, pitch, roll in the project's convention.
        box: float32 ``[4]``, x1 y1 x2 y2 in pixels, tight round the landmarks; None where the set has none.
        center: float64 ``[2]``, x y of the head in pixels, where the set has no landmarks.
    """

    photo: Path
    group: str
    angles_deg: NDArray[np.float64]
    box: NDArray[np.float32] | None = None
    center: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Dataset:
    """A published set: its command-line option, the layout in words, the meaning of a group, and its reader.

    ``read`` yields the faces of a copy in a fixed order; its SourceError describes the expected layout.
    """

    name: str
    option: str
    metavar: str
    layout: str
    grouped_by: str
    read: Callable[[Path], Iterator[Face]]


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photo as BGR; raises SourceError where it cannot be read."""
    photo = cv2.imread(str(path)) if path.is_file() else None
    if photo is None:
        raise SourceError(f"cannot read the photo {path} of the labels")
    return np.asarray(photo, np.uint8)


def photos_of(folder: Path, pattern: str, expected: str) -> list[Path]:
    """List the files of a folder, sorted; SourceError with what is ``expected`` where there are none."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise SourceError(f"there is no {pattern} in {folder}; {expected}")
    return found


def tight_box(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the box ``[4]`` of points ``[K, 2]``."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)
