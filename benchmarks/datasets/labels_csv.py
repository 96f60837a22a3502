"""Photos of one's own: a table of photos, boxes and angles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import QUICK_PHOTOS, Dataset, Face, read_photo
from export.uncertainty import labelled_faces

COLUMNS = labelled_faces.COLUMNS
LAYOUT = f"columns {','.join(COLUMNS)}: boxes tight round the landmarks, in pixels; the photos lie beside the file"


@dataclass(frozen=True)
class LabelledPhotos:
    """N photos with a face each: boxes ``[N, 4]`` in pixels, and yaw, pitch, roll ``[N, 3]`` in degrees."""

    paths: list[Path]
    photos: list[NDArray[np.uint8]]
    boxes: NDArray[np.float32]
    angles_deg: NDArray[np.float64]


def read_labelled_photos(path: Path, *, quick: bool) -> LabelledPhotos:
    """Read a table and its photos, or with ``quick`` the first few."""
    names, boxes, angles_deg = read_labels(path)
    count = QUICK_PHOTOS if quick else len(names)
    paths = [path.parent / name for name in names[:count]]
    return LabelledPhotos(paths, [read_photo(each) for each in paths], boxes[:count], angles_deg[:count])


def read_labels(path: Path) -> tuple[list[str], NDArray[np.float32], NDArray[np.float64]]:
    """Return file names, boxes ``[N, 4]`` and angles ``[N, 3]``.

    Raises:
        SourceError: no such file, or one without these columns.
    """
    labels = labelled_faces.read_labels(path)
    return labels.files, labels.boxes, labels.angles_deg


def _read(path: Path) -> Iterator[Face]:
    for name, box, angles_deg in zip(*read_labels(path), strict=True):
        yield Face(path.parent / name, name, angles_deg, box)


LABELS_CSV = Dataset("labels", "--labels", "CSV", LAYOUT, "photo", _read)
