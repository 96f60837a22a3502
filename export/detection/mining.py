"""False boxes on empty training scenes: what looks like a face to the network is shown to it more often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.detection.judge import Finder
from export.detection.pictures import Picture
from export.labelling.hull import Float64Array

COLUMNS = 6
_LEAST = 0.2  # score from which on a false box counts
_MOST = 2000  # places, of the highest scores


def mine(find: Finder, empty: Sequence[Picture]) -> Float64Array:
    """Find the false boxes of empty scenes.

    Returns:
        ``[K, 6]``: index of the picture, x1 y1 x2 y2 in pixels, score; highest score first.
    """
    rows = [np.empty((0, COLUMNS))]
    for i, picture in enumerate(empty):
        found = find(picture.image, _LEAST)
        rows.append(np.column_stack([np.full(len(found.boxes), float(i)), found.boxes, found.scores]))
    places = np.concatenate(rows)
    return np.asarray(places[np.argsort(-places[:, -1], kind="stable")][:_MOST], np.float64)
