"""Faces of the pictures that the detector's training holds, with the pose that teachers agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.detection.pictures import Pictures
from export.labelling.hull import bounds
from export.teaching.consensus import nearest_rotation
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError

LEAST_SIDE = 48.0  # of a face in its picture: smaller ones are not labelled well

Image = NDArray[np.uint8]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledFace:
    """A face of a picture.

    Attributes:
        image: BGR.
        outline: ``[P, 2]`` in pixels.
        rotation: ``[3, 3]``, see :mod:`hpe_edge.geometry`.
    """

    image: Image
    outline: Float64Array
    rotation: Float64Array


def labelled_faces(pictures: Pictures, teachers: Sequence[Path], most: int | None = None) -> list[LabelledFace]:
    """Label the large faces with the mean rotation of the teachers.

    Args:
        pictures: their boxes and key points are taken as they are.
        teachers: exported models.
        most: faces to label; None labels all.

    Raises:
        InputError: no face is large enough.
    """
    large = [
        (picture.image, outline, points.astype(np.float32))
        for picture in (*pictures.people, *pictures.faces)
        for outline, points in zip(picture.labels.outlines, picture.labels.points, strict=True)
        if np.ptp(outline, axis=0).max() >= LEAST_SIDE
    ][:most]
    if not large:
        raise InputError(f"no picture holds a face of {LEAST_SIDE:g} pixels")
    said = []
    for path in teachers:
        with PoseEngine(path, threads=1) as engine:
            said.append([pose(engine, image, bounds(outline[None]), points[None]) for image, outline, points in large])
    rotations = nearest_rotation(np.mean(said, axis=0))
    return [LabelledFace(image, outline, own) for (image, outline, _), own in zip(large, rotations, strict=True)]


def pose(engine: PoseEngine, image: Image, box: NDArray[np.floating], points: NDArray[np.float32]) -> Float64Array:
    """Rotation ``[3, 3]`` of the face in a box ``[1, 4]``, chin to eyebrows, with key points ``[1, 5, 2]``."""
    poses = engine(image, box.astype(np.float32), keypoints=points, boxes_from="landmarks")
    return np.asarray(poses.rotation[0], np.float64)
