"""Loss of the detector: quality focal loss of the scores, GIoU and distances of the boxes, distances of the points.

The cells of a face are chosen by the network's own boxes and scores (as in TOOD, Feng et al., 2021, arXiv:2108.07755),
within the face's middle and on the grids that fit its size. The score learns the box's overlap (Li et al., 2020,
arXiv:2006.04388).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from export.detection_net.network import BOX, STRIDES

_CELLS = 9  # most cells of a face
_REACH = 0.25  # of the face's side, from its centre to the farthest cell
_LEAST_REACH = 0.75  # in strides
_IDEAL = 4.5  # the face's longer side in strides of its best grid
_OCTAVES = 1.3  # farther grids take no part: octaves from the best
_LAST_SMALLEST, _LAST_LARGEST = STRIDES[0], STRIDES[-1]

_BOX_WEIGHT, _SIDE_WEIGHT, _POINT_WEIGHT = 2.0, 0.5, 1.0
_FOCUS = 2.0


@dataclass(frozen=True)
class Targets:
    """Faces of B pictures, padded to M.

    Attributes:
        boxes: float32 ``[B, M, 4]`` x1 y1 x2 y2 in pixels.
        points: float32 ``[B, M, 5, 2]``.
        present: bool ``[B, M]``.
        ignored: float32 ``[B, K, 4]``, empty boxes for none.
    """

    boxes: Tensor
    points: Tensor
    present: Tensor
    ignored: Tensor


@dataclass(frozen=True)
class Loss:
    """Parts of the loss; their weighted sum is ``total``."""

    total: Tensor
    score: Tensor
    box: Tensor
    point: Tensor


class DetectorLoss:
    """Loss for pictures of one size."""

    def __init__(self, height: int, width: int) -> None:
        cells, strides = [], []
        for stride in STRIDES:
            y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
            cells.append((torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride)
            strides.append(torch.full((len(cells[-1]),), float(stride)))
        self.cells, self.strides = torch.cat(cells), torch.cat(strides)

    def __call__(self, outputs: Sequence[tuple[Tensor, Tensor]], targets: Targets) -> Loss:
        """Compute the loss of the network's outputs."""
        logits = torch.cat([score.flatten(1) for score, _ in outputs], dim=1).float()
        places = torch.cat([place.flatten(1, 2) for _, place in outputs], dim=1).float() * self.strides[:, None]
        boxes = torch.cat([self.cells - places[..., :2], self.cells + places[..., 2:BOX]], dim=-1)
        with torch.no_grad():
            face, quality = self._assign(logits.sigmoid(), boxes, targets)
            free = ~self._within(targets.ignored) | (quality > 0)
        amount = quality.sum().clamp(min=1.0)
        error = functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")
        error = error * (logits.sigmoid() - quality).abs() ** _FOCUS
        score = (error * free).sum() / amount
        picture, cell = torch.nonzero(quality > 0, as_tuple=True)
        mine = face[picture, cell]
        weight, true = quality[picture, cell], targets.boxes[picture, mine]
        found = boxes[picture, cell]
        size = (true[:, 2:] - true[:, :2]).amax(dim=1)
        overlap = ((1 - giou(found, true)) * weight).sum() / amount
        sides = (_near((found - true) / size[:, None], 0.05).sum(dim=1) * weight).sum() / amount
        points = places[picture, cell, BOX:].reshape(-1, 5, 2) + self.cells[cell][:, None]
        away = (points - targets.points[picture, mine]) / size[:, None, None]
        point = (_near(away, 0.02).sum(dim=(1, 2)) * weight).sum() / amount
        box = _BOX_WEIGHT * overlap + _SIDE_WEIGHT * sides
        return Loss(score + box + _POINT_WEIGHT * point, score.detach(), overlap.detach(), point.detach())

    def _assign(self, scores: Tensor, boxes: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return each cell's face ``[B, A]`` and the score that it should give, 0 for none."""
        picture, number = torch.nonzero(targets.present, as_tuple=True)  # of the F faces
        true = targets.boxes[picture, number]
        low, high = true[:, None, :2], true[:, None, 2:]
        middle, size = (low + high) / 2, high - low
        stride = self.strides
        offset = (self.cells - middle).abs()
        reach = torch.maximum(_REACH * size, _LEAST_REACH * stride[:, None])
        octaves = torch.log2(size.amax(dim=-1) / _IDEAL) - torch.log2(stride)  # [F, A]
        # Faces beyond the smallest and the largest grid's best sizes belong to these.
        octaves = torch.where((stride == _LAST_SMALLEST) & (octaves < 0), 0.0, octaves)
        octaves = torch.where((stride == _LAST_LARGEST) & (octaves > 0), 0.0, octaves)
        allowed = (offset <= reach).all(dim=-1) & (octaves.abs() <= _OCTAVES)
        prior = torch.exp(-((offset / reach) ** 2).sum(dim=-1) / 2 - octaves**2 / 2)
        overlap = iou(boxes[picture], true[:, None])
        metric = torch.where(allowed, prior * (scores[picture].sqrt() * overlap**2 + 1e-4), 0.0)
        best, cells = metric.topk(min(_CELLS, metric.shape[1]), dim=1)
        most, top = best[:, 0], torch.where(best > 0, overlap.gather(1, cells), 0.0).amax(dim=1)
        # A cell that several faces chose belongs to the one that it fits best.
        value = torch.zeros_like(scores)
        where = (picture[:, None].expand_as(cells), cells)
        flat = where[0] * scores.shape[1] + cells
        value.view(-1).scatter_reduce_(0, flat.reshape(-1), best.reshape(-1), "amax")
        wins = (best > 0) & (best == value[where])
        face, quality = torch.zeros_like(scores, dtype=torch.long), torch.zeros_like(scores)
        score = best / most.clamp(min=1e-12)[:, None] * top.clamp(min=0.01).sqrt()[:, None]
        face.view(-1)[flat[wins]] = number[:, None].expand_as(cells)[wins]
        quality.view(-1)[flat[wins]] = score[wins]
        return face, quality

    def _within(self, boxes: Tensor) -> Tensor:
        """Bool ``[B, A]``: cells whose centre lies in one of the boxes ``[B, K, 4]``."""
        low = (self.cells > boxes[..., None, :2]).all(dim=-1)
        return (low & (self.cells < boxes[..., None, 2:]).all(dim=-1)).any(dim=1)


def _near(difference: Tensor, beta: float) -> Tensor:
    """Smooth L1 of each element."""
    return functional.smooth_l1_loss(difference, torch.zeros_like(difference), beta=beta, reduction="none")


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes ``[..., 4]``, broadcast."""
    low = torch.maximum(boxes[..., :2], others[..., :2])
    high = torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    return shared / (_areas(boxes) + _areas(others) - shared).clamp(min=1e-6)


def giou(boxes: Tensor, others: Tensor) -> Tensor:
    """Generalised IoU ``[N]`` of pairs of boxes ``[N, 4]`` (Rezatofighi et al., 2019, arXiv:1902.09630)."""
    low = torch.maximum(boxes[:, :2], others[:, :2])
    high = torch.minimum(boxes[:, 2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    union = (_areas(boxes) + _areas(others) - shared).clamp(min=1e-6)
    around = torch.maximum(boxes[:, 2:], others[:, 2:]) - torch.minimum(boxes[:, :2], others[:, :2])
    area = around.clamp(min=0).prod(dim=-1).clamp(min=1e-6)
    return shared / union - (area - union) / area
