"""False boxes on training scenes: what looks like a face to the network, as fists do, is shown to it more often."""

from __future__ import annotations

import numpy as np

from export.detection.judge import Finder
from export.detection.pictures import Pictures
from export.labelling.hull import Float64Array, bounds
from hpe_edge.boxes.overlap import iou

COLUMNS = 6
_LEAST = 0.2  # score from which on a false box counts
_MOST = 2000  # places, of the highest scores
_APART = 2.0  # a box on a scene with people is false if, enlarged so much, it touches no face and nothing unsure


def mine(find: Finder, pictures: Pictures) -> Float64Array:
    """Find the false boxes of scenes.

    Returns:
        ``[K, 6]``: index of the picture, x1 y1 x2 y2 in pixels, score; highest score first. The index counts the
        empty scenes, then those with people.
    """
    rows = [np.empty((0, COLUMNS))]
    for i, picture in enumerate((*pictures.empty, *pictures.people)):
        found = find(picture.image, _LEAST)
        boxes = found.boxes.astype(np.float64)
        half = (boxes[:, 2:] - boxes[:, :2]) * _APART / 2
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        others = np.concatenate([bounds(picture.labels.outlines), picture.labels.ignored])
        false = iou(np.concatenate([middle - half, middle + half], axis=1), others).max(axis=1, initial=0) == 0
        rows.append(np.column_stack([np.full(len(boxes), float(i)), boxes, found.scores])[false])
    places = np.concatenate(rows)
    return np.asarray(places[np.argsort(-places[:, -1], kind="stable")][:_MOST], np.float64)
