"""Suppression against plain loops in float64."""

from __future__ import annotations

import numpy as np
import pytest
from grid_model import plain_iou

from hpe_edge.faces.anchor_free import nms


def plain(boxes: np.ndarray, scores: np.ndarray, iou: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(plain_iou(boxes[i].tolist(), boxes[j].tolist()) <= iou for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("iou", [0.0, 0.3, 0.4, 0.7, 1.0])
def test_two_hundred_faces(rng: np.random.Generator, iou: float) -> None:
    faces = np.repeat(rng.uniform(0, 2000, (200, 2)), 8, axis=0)
    corners = faces + rng.normal(0, 8, faces.shape)
    boxes = np.concatenate([corners, corners + rng.uniform(20, 90, faces.shape)], axis=1).astype(np.float32)
    scores = rng.uniform(0, 1, len(boxes)).astype(np.float32)
    kept = nms(boxes, scores, iou).tolist()
    assert kept == plain(boxes, scores, iou)
    assert 100 < len(kept) <= len(boxes)


def test_of_equal_scores_the_first_stays() -> None:
    x = np.arange(60, dtype=np.float32) // 2 * 100 + np.tile([0, 1], 30)  # thirty pairs, side by side
    boxes = np.stack([x, 0 * x, x + 10, 0 * x + 10], axis=1).astype(np.float32)
    assert nms(boxes, np.tile([0.5, 0.5, 0.7, 0.7], 15).astype(np.float32), 0.5).tolist() == [
        *range(2, 60, 4),
        *range(0, 60, 4),
    ]


def test_an_overlap_of_exactly_the_threshold_stays() -> None:
    boxes = np.array([[0, 0, 4, 2], [2, 0, 6, 2]], np.float32)  # a third
    scores = np.array([0.5, 0.9], np.float32)
    assert nms(boxes, scores, 0.34).tolist() == [1, 0]
    assert nms(boxes, scores, 0.33).tolist() == [1]
    assert nms(np.array([[0, 0, 4, 1], [0, 0, 2, 1]], np.float32), scores, 0.5).tolist() == [1, 0]


def test_no_boxes() -> None:
    assert nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.4).shape == (0,)
