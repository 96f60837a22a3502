"""RoIAlign and suppression against the definition in float64, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.ops.native import native
from hpe_edge.ops.regions import roi_align, suppress

ISAS = native.isa_names()
Float64 = NDArray[np.float64]


def bilinear(features: Float64, y: float, x: float) -> Float64:
    """Feature vector at a point, by the definition: 0 beyond a cell outside, the edge within it."""
    height, width, channels = features.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(channels)
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = (1 - dx) * features[top, left] + dx * features[top, right]
    lower = (1 - dx) * features[bottom, left] + dx * features[bottom, right]
    return (1 - dy) * upper + dy * lower


def oracle(features: Float64, scale: float, box: NDArray[np.float32]) -> Float64:
    x1, y1, x2, y2 = box.astype(np.float64) * scale
    wide, high = max(x2 - x1, 1), max(y2 - y1, 1)
    out = np.zeros((7, 7, features.shape[2]))
    for row in range(14):
        for column in range(14):
            at = y1 + (row + 0.5) * high / 14, x1 + (column + 0.5) * wide / 14
            out[row // 2, column // 2] += bilinear(features, *at) / 4
    return out


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [1, 16, 19])
def test_roi_align_is_the_definition(rng: np.random.Generator, isa: str, channels: int) -> None:
    maps = [
        (rng.standard_normal((23, 31, channels)).astype(np.float32), 0.25),
        (rng.standard_normal((6, 8, channels)).astype(np.float32), 1 / 16),
    ]
    inside = np.sort(rng.uniform(-10, 130, (12, 2, 2)), axis=1).transpose(0, 1, 2).reshape(12, 4)
    special = [
        [0, 0, 124, 92],  # the whole map
        [7, 7, 7, 7],  # empty
        [30, 30, 20, 20],  # the wrong way round
        [-500, -500, -300, -300],  # outside
        [122, 90, 128, 96],  # over the edge
        [-1e5, -1e5, 1e5, 1e5],  # huge
    ]
    boxes = np.concatenate([inside, special]).astype(np.float32)
    levels = np.arange(len(boxes)) % 2
    got = roi_align(maps, levels, boxes, isa=isa)
    for pooled, level, box in zip(got, levels, boxes, strict=True):
        features, scale = maps[level]
        want = oracle(features.astype(np.float64), scale, box)
        assert np.abs(pooled - want).max() < 2e-6, box


def test_roi_align_without_boxes_and_with_a_nan() -> None:
    maps = [(np.ones((3, 3, 4), np.float32), 1.0)]
    assert roi_align(maps, [], []).shape == (0, 7, 7, 4)
    pooled = roi_align(maps, [0, 0], [[np.nan, 0, 2, 2], [0, 0, 2, 2]])
    assert (pooled[0] == 0).all()
    assert np.allclose(pooled[1], 1)


@pytest.mark.parametrize(
    ("levels", "boxes"), [([1], [[0, 0, 1, 1]]), ([-1], [[0, 0, 1, 1]]), ([0, 0], [[0, 0, 1, 1]]), ([0], [[0, 0, 1]])]
)
def test_roi_align_refuses_what_would_read_elsewhere(levels: list[int], boxes: list[list[float]]) -> None:
    with pytest.raises(InputError):
        roi_align([(np.ones((3, 3, 4), np.float32), 1.0)], levels, boxes)


def test_roi_align_refuses_other_maps() -> None:
    good = np.ones((3, 3, 4), np.float32)
    for maps in (
        [(good[:, ::2], 1.0)],
        [(good.astype(np.float64), 1.0)],
        [(good, 0.0)],
        [(good, 1.0), (good[..., :2], 1.0)],
    ):
        with pytest.raises(InputError):
            roi_align(maps, [0], [[0, 0, 1, 1]])


def kept_by_definition(boxes: NDArray[np.float32], scores: NDArray[np.float32], overlap: float) -> list[int]:
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        common = [
            max(0, min(boxes[i, 2], boxes[k, 2]) - max(boxes[i, 0], boxes[k, 0]))
            * max(0, min(boxes[i, 3], boxes[k, 3]) - max(boxes[i, 1], boxes[k, 1]))
            for k in kept
        ]
        if all(c <= overlap * (area[i] + area[k] - c) for c, k in zip(common, kept, strict=True)):
            kept.append(int(i))
    return kept


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("count", [0, 1, 5, 300])
@pytest.mark.parametrize("overlap", [0.0, 0.4, 0.5, 1.0])
def test_suppression_is_the_definition(rng: np.random.Generator, isa: str, count: int, overlap: float) -> None:
    """Whole numbers are exact in both, so that boxes that touch, and ratios on the limit, are decided alike."""
    corner = rng.integers(0, 60, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 25, (count, 2))], axis=1).astype(np.float32)
    scores = rng.integers(0, 50, count).astype(np.float32)  # many are equal
    want = kept_by_definition(boxes.astype(np.float64), scores, overlap)
    assert suppress(boxes, scores, overlap, isa=isa).tolist() == want
    assert suppress(boxes, scores, overlap, most=7, isa=isa).tolist() == want[:7]


def test_boxes_that_touch_do_not_overlap() -> None:
    assert suppress([[0, 0, 10, 10], [10, 0, 20, 10]], [1, 2], 0.0).tolist() == [1, 0]


def test_suppression_refuses_other_limits() -> None:
    for arguments in (([1, 2], 0.5, None), ([1], -0.1, None), ([1], 1.1, None), ([1], 0.5, -1)):
        scores, overlap, most = arguments
        with pytest.raises(InputError):
            suppress([[0, 0, 1, 1]], scores, overlap, most=most)
