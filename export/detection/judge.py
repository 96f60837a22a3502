"""Detector on held-out pictures: faces found by size, overlap, key points, and false boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from export.detection.compose import Composer
from export.detection.pictures import Picture, Pictures
from export.detection_net.decoding import Faces, detect
from export.detection_net.network import STRIDES, DetectorNet
from hpe_edge.boxes.overlap import iou

Finder = Callable[[NDArray[np.uint8], float], Faces]  # of a picture [H, W, 3] and a threshold

_SEED = 9
_COMPOSED = 320
_BANDS = (0, 14, 24, 48, 96, 400)  # longer side of a box, pixels
_FOUND = 0.5  # overlap of a face that is found
_LEAST = 0.05  # lowest score looked at
_FALSE_RATES = (0.1, 0.02)  # false boxes per picture for which recall is stated


def judge(find: Finder, kept: Pictures) -> dict[str, float]:
    """Measure on composed held-out pictures and on empty held-out scenes.

    Returns:
        ``recall``, also by size (``recall_14`` is below 14 pixels) and at two rates of false boxes per composed picture
        (``recall_fp_0.1``); ``iou`` and ``point``, medians of found faces, the latter in sides of the box;
        ``precision``; ``empty_false``, boxes per empty scene. At a score of 0.5 where no rate is named.
    """
    compose = Composer(kept, _SEED)
    overlaps, sizes, scores, away = [], [], [], []
    false_scores, faces = [], 0
    for number in range(_COMPOSED):
        image, boxes, points, ignored = compose(number)
        found = find(image, _LEAST)
        used = np.zeros(len(found.boxes), bool)
        shared = iou(boxes, found.boxes.astype(np.float64))
        for i, box in enumerate(boxes):
            j = int(shared[i].argmax()) if shared.shape[1] else -1
            hit = j >= 0 and shared[i, j] >= _FOUND
            size = float(max(box[2:] - box[:2]))
            sizes.append(size)
            scores.append(float(found.scores[j]) if hit else 0.0)
            if hit:
                overlaps.append(float(shared[i, j]))
                away.append(float(np.linalg.norm(found.points[j] - points[i], axis=1).mean() / size))
            used |= shared[i] >= 0.3
        in_ignored = _covered(found.boxes, ignored)
        false_scores += found.scores[~used & ~in_ignored].tolist()
        faces += len(boxes)
    side, score, false = np.array(sizes), np.array(scores), np.sort(false_scores)[::-1]
    result = {"recall": float((score >= 0.5).mean())}
    for low, high in pairwise(_BANDS):
        result[f"recall_{high}"] = float((score[(side >= low) & (side < high)] >= 0.5).mean())
    for rate in _FALSE_RATES:
        allowed = int(rate * _COMPOSED)
        limit = false[allowed] if len(false) > allowed else _LEAST
        result[f"recall_fp_{rate:g}"] = float((score > limit).mean())
    result["iou"], result["point"] = float(np.median(overlaps or [0])), float(np.median(away or [1]))
    right = (score >= 0.5).sum()
    result["precision"] = float(right / max(right + (false >= 0.5).sum(), 1))
    result["empty_false"] = _false_boxes(find, kept.empty) / max(len(kept.empty), 1)
    return {name: round(value, 4) for name, value in result.items()}


def finder(network: DetectorNet) -> Finder:
    """Use a network on pictures of any size."""

    def find(image: NDArray[np.uint8], min_score: float) -> Faces:
        return detect(network, padded(image)[None], min_score)[0]

    return find


def padded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad with black at the right and at the bottom to multiples of the largest stride."""
    down, right = (-side % STRIDES[-1] for side in image.shape[:2])
    return np.pad(image, ((0, down), (0, right), (0, 0)))


def _false_boxes(find: Finder, empty: Sequence[Picture]) -> int:
    return sum(int((find(picture.image, 0.5).scores >= 0.5).sum()) for picture in empty)


def _covered(boxes: NDArray[np.float32], regions: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Boxes that lie by half in one of the regions."""
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray((shared >= 0.5 * areas[:, None]).any(axis=1))
