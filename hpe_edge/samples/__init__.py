"""Two public-domain photos with face boxes, for a first run and the export gate; README.md names the sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError

FOLDER = Path(__file__).parent
"""Folder of the photos."""

BOXES = FOLDER / "boxes.csv"
"""Columns file,x1,y1,x2,y2, in pixels; the boxes fit the faces tightly, chin to eyebrows."""

PHOTO = FOLDER / "astronaut.jpg"
"""The photo of the commands demo and bench."""


def read_photo() -> NDArray[np.uint8]:
    """Read PHOTO, uint8 ``[H, W, 3]`` BGR.

    Raises:
        SourceError: it cannot be read.
    """
    from hpe_edge.opencv.lazy import cv2

    photo = cv2.imread(str(PHOTO))
    if photo is None:
        raise SourceError(f"cannot read {PHOTO}; hpe_edge is not installed completely, install it again")
    return np.asarray(photo, np.uint8)
