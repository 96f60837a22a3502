"""Faces as callers give them: boxes, detections of ours, or those of supervision."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.boxes.box_fit import BoxesFrom, box_fit
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import Detections
from hpe_edge.ops.frames import check_boxes
from hpe_edge.poses import NO_ID


class XyxyDetections(Protocol):
    """Detections of the package supervision, or of the same attributes.

    Attributes:
        xyxy: ``[N, 4]`` x1 y1 x2 y2 in pixels.
        confidence: ``[N]`` scores, or None.
        tracker_id: ``[N]`` identities, or None.
    """

    xyxy: Any
    confidence: Any
    tracker_id: Any


Faces = ArrayLike | Detections | XyxyDetections


class GivenFaces(NamedTuple):
    """N faces, ready for the engine.

    Attributes:
        boxes: float32 ``[N, 4]``, chin to eyebrows.
        elsewhere: the boxes as they were given, if they are not from a detector of ours; else None.
        scores, ids: ``[N]``; None if unknown.
        keypoints: ``[N, 5, 2]``; None if unknown.
        rolls: ``[N]`` in degrees, of tracked faces; None if unknown.
    """

    boxes: NDArray[np.float32]
    elsewhere: NDArray[np.float32] | None
    scores: NDArray[np.float32] | None
    ids: NDArray[np.int64] | None
    keypoints: ArrayLike | None
    rolls: NDArray[np.float32] | None


def given_faces(given: Faces, boxes_from: BoxesFrom | None, keypoints: ArrayLike | None = None) -> GivenFaces:
    """Read what was given, and convert boxes from elsewhere.

    Args:
        given: see :meth:`hpe_edge.PoseEngine.__call__`.
        boxes_from: whose boxes they are; None for boxes from chin to eyebrows.
        keypoints: of the boxes; None: those of the detections, if they have some.

    Raises:
        InputError: invalid boxes, an unknown ``boxes_from``, or one for detections of ours, which are ready; two sets
            of key points.
    """
    if isinstance(given, Detections):
        if boxes_from is not None:
            raise InputError(
                "boxes_from= is for boxes from elsewhere; those of a hpe_edge detector are converted already"
            )
        if keypoints is not None and given.keypoints is not None:
            raise InputError("the detections have key points of their own; leave out keypoints=")
        points = given.keypoints if keypoints is None else keypoints
        boxes = check_boxes(given.boxes)
        rolls = _column("rolls", given.rolls, len(boxes), np.float32)
        return GivenFaces(boxes, None, given.scores, given.ids, points, rolls)
    scores: NDArray[np.float32] | None = None
    ids: NDArray[np.int64] | None = None
    if not isinstance(given, (np.ndarray, list)) and hasattr(given, "xyxy"):
        boxes = check_boxes(given.xyxy)
        scores = _column("confidence", getattr(given, "confidence", None), len(boxes), np.float32)
        ids = _column("tracker_id", getattr(given, "tracker_id", None), len(boxes), np.int64)
    else:
        boxes = check_boxes(given)
    fitted = boxes if boxes_from is None else box_fit(boxes_from)(boxes)
    return GivenFaces(fitted, boxes, scores, ids, keypoints, None)


def _column(name: str, values: Any, count: int, kind: type) -> Any:
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (count,):
        raise InputError(f"{name} must have one value per box, got shape {array.shape} for {count} boxes")
    if array.dtype == object:  # supervision marks an untracked face by None
        array = np.array([NO_ID if value is None else value for value in array])
    return array.astype(kind)
