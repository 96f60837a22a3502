"""EHPNet's BoTNet-50 teacher: 62 bins of 3 degrees per angle, and self-attention in the last stage.

Source: Srinivas et al., 2021, arXiv:2101.11605. The keys are those of chientv99/maskpose, which takes its last stage
from the package bottleneck-transformer-pytorch.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from export.zoo.ehpnet import teacher
from export.zoo.resnet import Bottleneck, Depths, ResNetBins, conv

_SIDE = 7  # of the last stage's feature map: 112 pixels, halved four times
_HEADS = 4
_WIDTH = 128  # of one attention head


class _Offsets(nn.Module):
    """Relative position bias of the attention: a learned vector for each row offset and each column offset, -6 to 6.

    The sums for all 13 x 13 offsets are constants in the exported graph, which leaves one product and one Gather.
    """

    index: Tensor

    def __init__(self) -> None:
        super().__init__()
        offsets = 2 * _SIDE - 1
        self.rel_height = nn.Parameter(torch.zeros(offsets, _WIDTH))
        self.rel_width = nn.Parameter(torch.zeros(offsets, _WIDTH))
        row, column = torch.arange(_SIDE).repeat_interleave(_SIDE), torch.arange(_SIDE).repeat(_SIDE)
        offset = (row - row[:, None] + _SIDE - 1) * offsets + column - column[:, None] + _SIDE - 1
        query = torch.arange(_SIDE**2)[:, None]
        # [query, key] -> place among the products of all queries with all offsets
        self.register_buffer("index", query * offsets**2 + offset, persistent=False)

    def forward(self, queries: Tensor) -> Tensor:
        """``[N, heads, 49, width]`` to ``[N, heads, 49, 49]``: query, key."""
        vectors = (self.rel_height[:, None] + self.rel_width).flatten(0, 1)
        products = queries @ vectors.T
        return products.reshape(-1, _HEADS, _SIDE**2 * len(vectors))[:, :, self.index]


class _Attention(nn.Module):
    """Self-attention over the 49 positions."""

    def __init__(self, wide_in: int) -> None:
        super().__init__()
        self.to_qkv = conv(wide_in, 3 * _HEADS * _WIDTH, 1, 1)
        self.pos_emb = _Offsets()

    def forward(self, x: Tensor) -> Tensor:
        """``[N, wide_in, 7, 7]`` to ``[N, heads * width, 7, 7]``."""
        q, k, v = self.to_qkv(x).reshape(-1, 3 * _HEADS, _WIDTH, _SIDE**2).split(_HEADS, dim=1)
        queries = q.transpose(2, 3) * _WIDTH**-0.5
        attention = torch.softmax(queries @ k + self.pos_emb(queries), dim=3)
        return (v @ attention.transpose(2, 3)).reshape(-1, _HEADS * _WIDTH, _SIDE, _SIDE)


class _BottleBlock(nn.Module):
    """A bottleneck with attention in place of the 3x3 convolution, and an activation in the shortcut, too."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        width = wide_out // 4
        self.net = nn.Sequential(
            conv(wide_in, width, 1, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            _Attention(width),
            nn.Identity(),  # the package's place for pooling; it counts in the keys
            nn.BatchNorm2d(_HEADS * _WIDTH),
            nn.ReLU(),
            conv(_HEADS * _WIDTH, wide_out, 1, 1),
            nn.BatchNorm2d(wide_out),
        )
        self.shortcut = (
            nn.Identity()
            if wide_in == wide_out
            else nn.Sequential(conv(wide_in, wide_out, 1, 1), nn.BatchNorm2d(wide_out), nn.ReLU())
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.net(x) + self.shortcut(x))


class BotNetTeacher(ResNetBins):
    """A ResNet with attention in its last stage, which keeps the size; a hidden layer without activation; the heads."""

    def __init__(self, depths: Depths) -> None:
        super().__init__(Bottleneck, depths, width=512, bins=62)
        del self.layer4
        blocks = nn.Sequential(*(_BottleBlock(1024 if i == 0 else 2048, 2048) for i in range(depths[3])))
        self.BOT = nn.Sequential(OrderedDict(net=blocks))
        self.linear = nn.Linear(2048, 512)

    def embed(self, image: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        x = self.BOT(self.layer3(self.layer2(self.layer1(x))))
        return self.linear(self.avgpool(x).flatten(1))


FAMILY = teacher("ehpnet-botnet50", "BoTNet-50", lambda: BotNetTeacher((3, 4, 6, 3)))
