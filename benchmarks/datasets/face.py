"""A labelled face, which is what every set is read as, and what a set is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge import SourceError

QUICK_PHOTOS = 8  # of each set, where only a few are looked at


@dataclass(frozen=True)
class Face:
    """One face of a photo.

    Attributes:
        photo: its file.
        group: what it shares with others of the set, a person or a photo, so that they do not err independently.
        angles_deg: float64 ``[3]``, yaw, pitch, roll in the project's convention.
        box: float32 ``[4]``, x1 y1 x2 y2 in pixels, tight round the landmarks. None where the set has no landmarks.
        center: float64 ``[2]``, x y in pixels, where the head is, for a set that has no landmarks.
    """

    photo: Path
    group: str
    angles_deg: NDArray[np.float64]
    box: NDArray[np.float32] | None = None
    center: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Dataset:
    """A published layout.

    Attributes:
        name: of the set.
        option: on the command line.
        metavar, layout: what the option takes, in the help.
        grouped_by: what a face's group is.
        read: the faces of a copy, in a fixed order; raises SourceError, which says what is expected where.
    """

    name: str
    option: str
    metavar: str
    layout: str
    grouped_by: str
    read: Callable[[Path], Iterator[Face]]


def read_photo(path: Path) -> NDArray[np.uint8]:
    """A photo as OpenCV reads it.

    Raises:
        SourceError: there is none, or it cannot be read.
    """
    photo = cv2.imread(str(path)) if path.is_file() else None
    if photo is None:
        raise SourceError(f"cannot read the photo {path}, which the labels name")
    return np.asarray(photo, np.uint8)


def tight_box(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """The box ``[4]`` of points ``[K, 2]``."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def numbers_in(path: Path, count: int, what: str) -> NDArray[np.float64]:
    """The first ``count`` numbers of a text file.

    Raises:
        SourceError: no such file, fewer numbers, or something else among them; ``what`` says what they are.
    """
    try:
        found = np.array(path.read_text(encoding="ascii").split()[:count], np.float64)
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}, which should hold {what}: {error}") from None
    if len(found) < count or not np.isfinite(found).all():
        raise SourceError(f"{path} should hold {what}, {count} numbers; it has {len(found)}")
    return found
