"""The faces of the real video: its frames, and how well boxes agree with those that others drew."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np


@functools.cache
def references(data: Path) -> dict[str, Any]:
    return json.loads((data / "reference_detections.json").read_text())


@functools.cache
def frames(data: Path) -> dict[int, np.ndarray]:
    """The frames that the references are of."""
    wanted = {entry["frame"] for entry in references(data)["frames"]}
    capture = cv2.VideoCapture(str(data / references(data)["video"]))
    found = {}
    for index in range(max(wanted) + 1):
        assert capture.grab()
        if index in wanted:
            found[index] = capture.retrieve()[1]
    return found


def pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of ``a`` with every box of ``b``."""
    overlap = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(overlap, 0, None).prod(axis=2)
    areas_a, areas_b = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b))
    return shared / (areas_a[:, None] + areas_b - shared)


def compare(data: Path, detector: Any, reference: str, scale: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per reference face the best IoU, the largest distance of a key point, and the difference of scores.

    Frames are given ``scale`` times as large. No face may be found that is none of the reference's.
    """
    ious, distances, scores = [], [], []
    for entry in references(data)["frames"]:
        faces = entry[reference]
        frame = frames(data)[entry["frame"]]
        found = detector(frame if scale == 1 else cv2.resize(frame, None, fx=scale, fy=scale))
        assert len(found) == len(faces)
        assert (np.diff(found.drawn[:, 0]) >= 0).all()
        table = pairs(np.array([face["box"] for face in faces]), found.drawn / scale)
        best = table.argmax(axis=1)
        ious.append(table.max(axis=1))
        scores.append(found.scores[best] - [face["score"] for face in faces])
        if found.keypoints is not None:
            points = np.array([face["landmarks"] for face in faces]).reshape(-1, 5, 2)
            distances.append(np.linalg.norm(found.keypoints[best] / scale - points, axis=2).max(axis=1))
    return np.concatenate(ious), np.concatenate(distances or [np.empty(0)]), np.abs(np.concatenate(scores))
