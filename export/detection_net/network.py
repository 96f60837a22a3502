"""The detector's network, of YuNet's form (Wu, Peng and Yu, 2023, doi:10.1007/s11633-023-1423-y) with a grid more.

Pairs of a pointwise and a depthwise 3x3 convolution, halved by maximum pooling, down to grids of 8, 16, 32 and 64
pixels; a top-down path by nearest upsampling and addition, from the grid of 32 pixels on; a head per grid, which the
two coarsest share. YuNet's published weights, in which batch normalisation is folded, fill it
(:mod:`export.detection_net.yunet_weights`); so it has none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32, 64)
BOX, POINTS = 4, 10  # columns

STEM, WIDTH = 16, 64  # channels down to a quarter of the input, and below

_FIRST_SCORE = 0.01  # of an untrained network, so that cells without a face do not dominate the first steps
_FIRST_SIDE = 2.0  # strides from the cell's centre to each side


class DetectorNet(nn.Module):
    """Scores, boxes and key points per cell.

    Takes ``[B, 3, H, W]``, BGR of 0 to 255, H and W multiples of 64.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, STEM, 3, 2, 1)
        self.second = pair(STEM, STEM)
        self.quarter = nn.Sequential(*pair(STEM, STEM), *pair(STEM, WIDTH), *pair(WIDTH, WIDTH), *pair(WIDTH, WIDTH))
        self.grids = nn.ModuleList(nn.Sequential(*pair(WIDTH, WIDTH), *pair(WIDTH, WIDTH)) for _ in STRIDES)
        self.merge = nn.ModuleList(pair(WIDTH, WIDTH) for _ in STRIDES)
        self.heads = nn.ModuleList(Head() for _ in STRIDES[:-1])

    def forward(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return per grid the logits ``[B, h, w, 1]``, and ``[B, h, w, 14]``: distances from the cell's centre to
        left, top, right and bottom, then x y of five points from it, in strides."""
        return self.grids_of((image - 127.5) / 128.0)

    def grids_of(self, pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the same of normalised pixels."""
        levels = self.features(self.quarter_of(pixels))
        outputs = []
        for i, level in enumerate(levels):
            score, place = self.heads[min(i, len(self.heads) - 1)](level)
            outputs.append((score.permute(0, 2, 3, 1), place.permute(0, 2, 3, 1)))
        return outputs

    def quarter_of(self, pixels: Tensor) -> Tensor:
        """Return the features ``[B, WIDTH, H / 4, W / 4]`` of normalised pixels."""
        features: Tensor = self.quarter(_halved(self.second(functional.relu(self.first(pixels)))))
        return features

    def features(self, quarter: Tensor) -> list[Tensor]:
        """Return those of each grid, from the features at a quarter of the input."""
        levels, below = [], quarter
        for grid in self.grids:
            below = grid(_halved(below))
            levels.append(below)
        *upper, level, coarsest = levels
        merged = [self.merge[-1](coarsest), self.merge[-2](level)]
        for features, merge in zip(reversed(upper), reversed(self.merge[:-2]), strict=True):
            above = functional.interpolate(merged[-1], scale_factor=2.0, mode="nearest")
            merged.append(merge(features + above))
        return merged[::-1]


class Head(nn.Module):
    """Score, box and key points of a grid's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = pair(WIDTH, WIDTH)
        self.score, self.place = pair(WIDTH, 1, last=False), pair(WIDTH, BOX + POINTS, last=False)
        with torch.no_grad():
            bias_of(self.score[1]).fill_(-float(torch.logit(torch.tensor(1 - _FIRST_SCORE))))
            bias_of(self.place[1])[:BOX] = _FIRST_SIDE

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``[B, 1, h, w]`` and places ``[B, 14, h, w]``."""
        shared = self.shared(features)
        return self.score(shared), self.place(shared)


def pair(inputs: int, outputs: int, *, last: bool = True) -> nn.Sequential:
    """A pointwise and a depthwise convolution; ReLU at the end unless it is the network's."""
    pointwise = nn.Conv2d(inputs, outputs, 1)
    depthwise = nn.Conv2d(outputs, outputs, 3, 1, 1, groups=outputs)
    if not last:
        return nn.Sequential(pointwise, depthwise)
    # Without normalisation, PyTorch's own initial weights would shrink the features from pair to pair.
    nn.init.kaiming_normal_(pointwise.weight, nonlinearity="linear")
    nn.init.kaiming_normal_(depthwise.weight, nonlinearity="relu")
    return nn.Sequential(pointwise, depthwise, nn.ReLU(inplace=True))


def bias_of(layer: nn.Module) -> Tensor:
    """Bias of a convolution that has one."""
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    return layer.bias


def _halved(features: Tensor) -> Tensor:
    return functional.max_pool2d(features, 2)
