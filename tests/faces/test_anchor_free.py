"""The letterbox against OpenCV's resize and padding, and NMS against plain loops in float64."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from grid_model import plain_iou
from media import noise

from hpe_edge.faces.grids.anchor_free import letterbox, nms
from hpe_edge.spec import Input

INPUT = Input(size=1, color="RGB", scale=1.0, mean=(127.5, 100.0, 90.0), std=(128.0, 64.0, 32.0))


def reference(frame: np.ndarray, width: int, height: int, scale: float) -> np.ndarray:
    small = cv2.resize(frame.astype(np.float32), (round(frame.shape[1] / scale), round(frame.shape[0] / scale)))
    canvas = np.zeros((height, width, 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    return ((canvas[..., ::-1] - INPUT.mean) / INPUT.std).transpose(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("frame", "width", "height", "scale"),
    [
        (noise(96, 64), 96, 64, 1.0),
        (noise(96, 64), 96, 96, 1.0),
        (noise(64, 96), 96, 96, 1.0),
        (noise(256, 144), 128, 96, 2.0),
        (noise(144, 256), 64, 64, 4.0),
        (noise(255, 153), 85, 64, 3.0),
    ],
)
def test_equals_resize_and_padding(frame: np.ndarray, width: int, height: int, scale: float) -> None:
    out = letterbox(frame, width, height, scale, INPUT)
    assert out.dtype == np.float32 and out.flags.c_contiguous
    np.testing.assert_allclose(out, reference(frame, width, height, scale), atol=1e-3)  # of a level / 32


def test_enlarged_inside() -> None:
    frame = noise(48, 32)
    out = letterbox(frame, 96, 96, 0.5, INPUT)
    # At the seam ours blends with the padding, and OpenCV's repeats the last pixel.
    np.testing.assert_allclose(out[..., :63, :95], reference(frame, 96, 96, 0.5)[..., :63, :95], atol=1e-3)


def plain(boxes: np.ndarray, scores: np.ndarray, iou: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(plain_iou(boxes[i].tolist(), boxes[j].tolist()) <= iou for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("iou", [0.0, 0.3, 0.4, 0.7, 1.0])
def test_nms_keeps_what_plain_loops_keep(rng: np.random.Generator, iou: float) -> None:
    faces = np.repeat(rng.uniform(0, 2000, (200, 2)), 8, axis=0)
    corners = faces + rng.normal(0, 8, faces.shape)
    boxes = np.concatenate([corners, corners + rng.uniform(20, 90, faces.shape)], axis=1).astype(np.float32)
    scores = rng.uniform(0, 1, len(boxes)).astype(np.float32)
    kept = nms(boxes, scores, iou).tolist()
    assert kept == plain(boxes, scores, iou)
    assert 100 < len(kept) <= len(boxes)


def test_nms_keeps_the_first_of_equal_scores() -> None:
    x = np.arange(60, dtype=np.float32) // 2 * 100 + np.tile([0, 1], 30)  # thirty pairs, side by side
    boxes = np.stack([x, 0 * x, x + 10, 0 * x + 10], axis=1).astype(np.float32)
    assert nms(boxes, np.tile([0.5, 0.5, 0.7, 0.7], 15).astype(np.float32), 0.5).tolist() == [
        *range(2, 60, 4),
        *range(0, 60, 4),
    ]


def test_nms_keeps_an_overlap_of_exactly_the_threshold() -> None:
    boxes = np.array([[0, 0, 4, 2], [2, 0, 6, 2]], np.float32)  # a third
    scores = np.array([0.5, 0.9], np.float32)
    assert nms(boxes, scores, 0.34).tolist() == [1, 0]
    assert nms(boxes, scores, 0.33).tolist() == [1]
    assert nms(np.array([[0, 0, 4, 1], [0, 0, 2, 1]], np.float32), scores, 0.5).tolist() == [1, 0]


def test_nms_of_no_boxes() -> None:
    assert nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.4).shape == (0,)
