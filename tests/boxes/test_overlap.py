"""hpe_edge.boxes.overlap against counted pixels."""

from __future__ import annotations

import numpy as np

from hpe_edge.boxes.overlap import best_overlap, iou


def test_iou_counts_the_pixels_that_boxes_share(rng: np.random.Generator) -> None:
    corners = rng.integers(0, 12, (8, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1).astype(np.float32)
    drawn = np.zeros((8, 14, 14), bool)
    for picture, (x1, y1, x2, y2) in zip(drawn, boxes.astype(int), strict=True):
        picture[y1:y2, x1:x2] = True
    shared = (drawn[:, None] & drawn[None, :3]).sum(axis=(2, 3))
    either = (drawn[:, None] | drawn[None, :3]).sum(axis=(2, 3))
    np.testing.assert_allclose(iou(boxes, boxes[:3]), shared / either, rtol=1e-12)


def test_no_boxes_and_boxes_without_an_area() -> None:
    none, flat = np.empty((0, 4), np.float32), np.array([[2, 2, 2, 5]], np.float32)
    assert iou(none, flat).shape == (0, 1) and iou(flat, none).shape == (1, 0)
    assert iou(flat, flat).tolist() == [[0.0]]


def test_the_best_box_must_overlap_by_enough() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], np.float32)
    assert best_overlap(boxes, np.array([1.2, 0, 3, 2]), 0.5) == 1
    assert best_overlap(boxes, np.array([3, 0, 5, 2]), 0.1) is None
    assert best_overlap(boxes[:0], boxes[0], 0.1) is None
