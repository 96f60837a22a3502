"""Labels from the detections of several teachers: faces that they agree on, and regions to ignore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from export.labelling.found import CENTERFACE, SCRFD, SCRFD_SMALL, YUNET, Found
from export.labelling.hull import POINTS, Float64Array, bounds, moved, outline
from hpe_edge.boxes.overlap import iou
from hpe_edge.ops.turns import roll_from_keypoints

# Two of three families must see a face in any view; SCRFD's two networks count as one.
_FAMILY = {YUNET: 0, SCRFD: 1, SCRFD_SMALL: 1, CENTERFACE: 2}
_SURE = {YUNET: 0.75, SCRFD: 0.55, SCRFD_SMALL: 0.55, CENTERFACE: 0.5}
_SAME = 0.35  # intersection over union of the same face's boxes
_UPRIGHT_DEG = 22.0  # a fit holds for faces that are nearly upright in the view
_PART = 0.7  # share of an unsure box within a face, from which on it is a part of it
_SMALLEST = 8.0  # pixels of the picture; smaller ones are ignored


@dataclass(frozen=True)
class Labels:
    """Faces of a picture.

    Attributes:
        outlines: ``[N, POINTS, 2]`` in pixels.
        points: ``[N, 5, 2]``, see :class:`hpe_edge.faces.detector.Detections`.
        scores: ``[N]``, 0..1, the teachers' mean.
        ignored: ``[M, 4]``, boxes where they disagree.
    """

    outlines: Float64Array
    points: Float64Array
    scores: Float64Array
    ignored: Float64Array

    def __len__(self) -> int:
        return len(self.outlines)


NO_LABELS = Labels(np.zeros((0, POINTS, 2)), np.zeros((0, 5, 2)), np.zeros(0), np.zeros((0, 4)))


def fuse(found: Sequence[Found]) -> Labels:
    """Fuse the detections of a picture."""
    faces, ignored = [], []
    if found:
        every = _in_picture(found)
        for group in _groups(bounds(every[0]), np.array([each.score for each in found])):
            mine = [found[i] for i in group]
            sure = len({_FAMILY[each.teacher] for each in mine if each.score >= _SURE[each.teacher]})
            fused = _mean(mine, *(each[group] for each in every))
            box = bounds(fused[0][None])[0]
            if sure >= 2 and min(box[2:] - box[:2]) >= _SMALLEST:
                faces.append(fused)
            else:
                ignored.append(box)
    if not faces:
        return replace(NO_LABELS, ignored=_boxes(ignored))
    outlines, points, scores = (np.array(part) for part in zip(*faces, strict=True))
    # Eyes and masks of large faces look like small faces to some teachers.
    unsure = [box for box in ignored if inside(box, bounds(outlines)).max() < _PART]
    return Labels(outlines, points, scores, _boxes(unsure))


def _boxes(boxes: Sequence[Float64Array]) -> Float64Array:
    return np.asarray(np.array(boxes, np.float64).reshape(-1, 4))


def _in_picture(found: Sequence[Found]) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Outlines and key points in the picture, and the faces' roll in their views in degrees."""
    outlines, points, rolls = [], [], []
    for each in found:
        roll = _roll(each.points)
        outlines.append(moved(outline(each.box[None], np.zeros(1)), each.back)[0])
        points.append(moved(each.points, each.back))
        rolls.append(roll)
    return np.array(outlines), np.array(points), np.array(rolls)


def _groups(boxes: Float64Array, scores: Float64Array) -> list[list[int]]:
    """Indices of detections of the same face, grouped around the best."""
    left = list(np.argsort(-scores, kind="stable"))
    groups = []
    while left:
        overlap = iou(boxes[left[:1]], boxes[left])[0]
        groups.append([i for i, shared in zip(left, overlap, strict=True) if shared >= _SAME])
        left = [i for i, shared in zip(left, overlap, strict=True) if shared < _SAME]
    return groups


def _mean(
    found: Sequence[Found], outlines: Float64Array, points: Float64Array, rolls: Float64Array
) -> tuple[Float64Array, Float64Array, float]:
    """Outline, key points and score of one face; the views in which it is most upright count for the outline."""
    scores = np.array([each.score for each in found])
    weight = scores * np.where(np.abs(rolls) <= max(_UPRIGHT_DEG, np.abs(rolls).min() + 5), 1.0, 0.0)
    middle = np.average(points, axis=0, weights=scores**2)
    # Mirrored views reverse the outline, which bounds the same region.
    boxes = bounds(outlines)
    straight = np.array([abs(each.back[0, 1]) < 1e-6 for each in found])
    roll = _roll(middle)
    if abs(roll) <= _UPRIGHT_DEG and (weight * straight).sum() > 0:
        # Small rolls are in the detectors' boxes already.
        box = np.average(boxes, axis=0, weights=weight * straight)
        drawn = outline(box[None], np.zeros(1))[0]
    else:
        scale = np.array([np.hypot(*each.back[0, :2]) for each in found])
        size = np.average(
            np.array([each.box[2:] - each.box[:2] for each in found]) * scale[:, None], axis=0, weights=weight
        )
        middles = np.array([moved((each.box[:2] + each.box[2:]) / 2, each.back) for each in found])
        centre = np.average(middles, axis=0, weights=weight)
        box = np.concatenate([centre - size / 2, centre + size / 2])
        drawn = outline(box[None], np.array([roll]))[0]
    return drawn, middle, float(np.clip(scores.mean(), 0, 1))


def _roll(points: Float64Array) -> float:
    """Roll in degrees; 0 for points that tell none, as eyes and mouth on one spot."""
    return float(np.nan_to_num(roll_from_keypoints(points[None])[0]))


def inside(box: Float64Array, others: Float64Array) -> Float64Array:
    """Share of a box ``[4]`` that lies in each of the others ``[N, 4]``."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return np.asarray(np.clip(sides, 0, None).prod(axis=1) / max((box[2:] - box[:2]).prod(), 1e-9))
