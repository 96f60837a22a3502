"""The detector's network: convolutions, ReLU, additions and nearest upsampling, on grids of 8, 16, 32 and 64 pixels.

Dense 3x3 convolutions with stride 2 at the two highest resolutions, where depthwise ones are as slow; separable
residual blocks below; a top-down path; one head for all grids.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32, 64)
BOX, POINTS = 4, 10  # columns

_STEM, _QUARTER = 16, 32  # channels at half and a quarter of the input
_WIDTHS = (48, 64, 64, 64)  # of the grids
_DEPTHS = (2, 3, 3, 2, 1)  # residual blocks from a quarter of the input on
_PYRAMID = 48

_FIRST_SCORE = 0.01  # of an untrained network, so that cells without a face do not dominate the first steps
_FIRST_SIDE = 2.0  # strides from the cell's centre to each side


class DetectorNet(nn.Module):
    """Scores, boxes and key points per cell.

    Takes ``[B, 3, H, W]``, BGR of 0 to 255, H and W multiples of 64. The normalisation is part of the first layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, _STEM, 3, 2)
        self.quarter = nn.Sequential(_convolution(_STEM, _QUARTER, 3, 2), *_blocks(_QUARTER, _DEPTHS[0]))
        inputs = (_QUARTER, *_WIDTHS[:-1])
        self.grids = nn.ModuleList(
            nn.Sequential(_separable(before, width, 2), *_blocks(width, depth))
            for before, width, depth in zip(inputs, _WIDTHS, _DEPTHS[1:], strict=True)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, _PYRAMID, 1) for width in _WIDTHS)
        self.merge = nn.ModuleList(_separable(_PYRAMID, _PYRAMID) for _ in _WIDTHS[:-1])
        self.head = Residual(_PYRAMID)
        self.scoring, self.placing = Residual(_PYRAMID), Residual(_PYRAMID)
        self.score = nn.Conv2d(_PYRAMID, 1, 1)
        self.place = nn.Conv2d(_PYRAMID, BOX + POINTS, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.constant_(self._bias(self.score), -float(torch.logit(torch.tensor(1 - _FIRST_SCORE))))
        nn.init.normal_(self.place.weight, std=0.01)
        with torch.no_grad():
            self._bias(self.place)[:BOX] = _FIRST_SIDE

    @staticmethod
    def _bias(layer: nn.Conv2d) -> Tensor:
        assert layer.bias is not None
        return layer.bias

    def forward(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return per grid the logits ``[B, h, w, 1]``, and ``[B, h, w, 14]``: distances from the cell's centre to
        left, top, right and bottom, then x y of five points from it, in strides."""
        return self.grids_of((image - 127.5) / 128.0)

    def grids_of(self, pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the same of normalised pixels."""
        features = self.quarter(self.stem(pixels))
        levels = []
        for grid, lateral in zip(self.grids, self.lateral, strict=True):
            features = grid(features)
            levels.append(lateral(features))
        for i in reversed(range(len(levels) - 1)):
            above = functional.interpolate(levels[i + 1], scale_factor=2.0, mode="nearest")
            levels[i] = self.merge[i](levels[i] + above)
        outputs = []
        for level in levels:
            shared = self.head(level)
            score, place = self.score(self.scoring(shared)), self.place(self.placing(shared))
            outputs.append((score.permute(0, 2, 3, 1), place.permute(0, 2, 3, 1)))
        return outputs


class Residual(nn.Module):
    """A separable convolution and its input, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = _separable(width, width, last=False)

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape ``[B, C, H, W]``."""
        return functional.relu(features + self.branch(features))


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _separable(inputs: int, outputs: int, stride: int = 1, *, last: bool = True) -> nn.Sequential:
    layers = [*_convolution(inputs, inputs, 3, stride, inputs), *_convolution(inputs, outputs, 1)]
    return nn.Sequential(*(layers if last else layers[:-1]))


def _blocks(width: int, count: int) -> Sequence[nn.Module]:
    return [Residual(width) for _ in range(count)]
