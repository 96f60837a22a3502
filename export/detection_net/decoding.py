"""Faces from the outputs of the network in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from export.detection_net.network import BOX, STRIDES, DetectorNet
from hpe_edge.faces.grids.anchor_free import nms

NMS_IOU = 0.4


@dataclass(frozen=True)
class Faces:
    """Faces found in a picture: boxes ``[N, 4]``, points ``[N, 5, 2]``, scores ``[N]``, best first."""

    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    scores: NDArray[np.float32]


def detect(network: DetectorNet, images: NDArray[np.uint8], min_score: float) -> list[Faces]:
    """Find faces in pictures ``[B, H, W, 3]``, BGR, of multiples of 64 pixels."""
    batch = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        outputs = [(score.sigmoid().numpy(), place.numpy()) for score, place in network(batch)]
    return [_one([(s[b], p[b]) for s, p in outputs], min_score) for b in range(len(images))]


def _one(outputs: list[tuple[NDArray[np.float32], NDArray[np.float32]]], min_score: float) -> Faces:
    parts = []
    for stride, (score, place) in zip(STRIDES, outputs, strict=True):
        y, x = np.nonzero(score[..., 0] >= min_score)
        cells = (np.stack([x, y], axis=1).astype(np.float32) + 0.5) * stride
        numbers = place[y, x] * stride
        boxes = np.concatenate([cells - numbers[:, :2], cells + numbers[:, 2:BOX]], axis=1)
        points = cells[:, None] + numbers[:, BOX:].reshape(-1, 5, 2)
        sound = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        parts.append((boxes[sound], points[sound], score[y, x, 0][sound]))
    boxes, points, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
    kept = nms(boxes, scores, NMS_IOU)
    return Faces(boxes[kept], points[kept], scores[kept])
