"""Faces as callers give them: boxes, detections of ours, or those of supervision."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.boxes.box_fit import BoxesFrom, box_fit
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import Detections
from hpe_edge.ops.frames import check_boxes
from hpe_edge.poses import NO_ID


@runtime_checkable
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


def as_detections(given: Faces, boxes_from: BoxesFrom | None) -> Detections:
    """Return what was given as boxes that are ready for the engine.

    Args:
        given: see :meth:`hpe_edge.PoseEngine.__call__`.
        boxes_from: whose boxes they are; None for boxes from chin to eyebrows.

    Returns:
        Ours as they are; else new ones, with the given boxes in ``drawn``.

    Raises:
        InputError: invalid boxes, an unknown ``boxes_from``, or one for detections of ours, which are ready.
    """
    if isinstance(given, Detections):
        if boxes_from is not None:
            raise InputError(
                "boxes_from= is for boxes from elsewhere; those of a hpe_edge detector are converted already"
            )
        return given
    scores: NDArray[np.float32] | None = None
    ids: NDArray[np.int64] | None = None
    if isinstance(given, XyxyDetections):
        boxes = check_boxes(given.xyxy)
        scores = _column("confidence", given.confidence, len(boxes), np.float32)
        ids = _column("tracker_id", given.tracker_id, len(boxes), np.int64)
    else:
        boxes = check_boxes(given)
    ready = boxes
    if boxes_from is not None:
        ready = box_fit(boxes_from)(boxes)
    return Detections(ready, boxes, np.full(len(boxes), np.nan, np.float32) if scores is None else scores, ids=ids)


def _column(name: str, values: Any, count: int, kind: type) -> Any:
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (count,):
        raise InputError(f"{name} must have one value per box, got shape {array.shape} for {count} boxes")
    if array.dtype == object:  # supervision marks an untracked face by None
        array = np.array([NO_ID if value is None else value for value in array])
    return array.astype(kind)
