"""EHPNet's Res2Net-50 teacher: 62 bins of 3 degrees per angle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.zoo.ehpnet import EhpNet, teacher
from export.zoo.resnet import Depths, conv

_SCALE = 4  # groups of channels in a block


class Res2NetBlock(nn.Module):
    """A bottleneck with a chain of 3x3 convolutions over groups of channels; each adds the one before.

    A stage's first block has no chain and averages the last group; the others pass it on unchanged.
    """

    expansion = 4

    def __init__(self, wide_in: int, width: int, stride: int) -> None:
        super().__init__()
        wide_out = self.expansion * width
        group = width * 26 // 64
        first = wide_in != wide_out
        self.conv1 = conv(wide_in, _SCALE * group, 1, 1)
        self.bn1 = nn.BatchNorm2d(_SCALE * group)
        self.convs = nn.ModuleList(conv(group, group, 3, stride) for _ in range(_SCALE - 1))
        self.bns = nn.ModuleList(nn.BatchNorm2d(group) for _ in range(_SCALE - 1))
        self.conv3 = conv(_SCALE * group, wide_out, 1, 1)
        self.bn3 = nn.BatchNorm2d(wide_out)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(3, stride, padding=1) if first else None
        self.downsample = _shortcut(wide_in, wide_out, stride) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        *groups, last = self.relu(self.bn1(self.conv1(x))).split(self.convs[0].in_channels, dim=1)
        done: list[Tensor] = []
        for group, filtering, norm in zip(groups, self.convs, self.bns, strict=True):
            chained = group if self.pool or not done else group + done[-1]
            done.append(self.relu(norm(filtering(chained))))
        done.append(self.pool(last) if self.pool else last)
        return self.relu(self.bn3(self.conv3(torch.cat(done, dim=1))) + self.downsample(x))


class Res2NetTeacher(EhpNet):
    """Res2Net with 26 channels in 4 groups, in its v1b form (Gao et al., 2019, arXiv:1904.01169): a stem of three 3x3
    convolutions, and average pooling in the shortcuts.
    """

    def __init__(self, depths: Depths) -> None:
        super().__init__(Res2NetBlock, depths)
        self.conv1 = nn.Sequential(
            conv(3, 32, 3, 2),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            conv(32, 32, 3, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            conv(32, 64, 3, 1),
        )


def _shortcut(wide_in: int, wide_out: int, stride: int) -> nn.Module:
    # For odd sizes the last window is clipped at the edge.
    pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, conv(wide_in, wide_out, 1, 1), nn.BatchNorm2d(wide_out))


FAMILY = teacher("ehpnet-res2net50", "Res2Net-50", lambda: Res2NetTeacher((3, 4, 6, 3)))
