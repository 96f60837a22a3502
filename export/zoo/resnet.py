"""ResNet backbone shared by several families, with torchvision's state-dict keys.

Source: He et al., 2016, arXiv:1512.03385; a bottleneck's stride is in its 3x3 convolution, as in torchvision.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from export.zoo.bins import BinNet

Depths = tuple[int, int, int, int]


class Block(Protocol):
    """A residual block's class: reads ``wide_in`` channels and gives ``expansion * width``."""

    expansion: int

    def __call__(self, wide_in: int, width: int, stride: int) -> nn.Module: ...


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (ResNet-18 and 34)."""

    expansion = 1

    def __init__(self, wide_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(wide_in, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(wide_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions, four times as wide at the end (ResNet-50 and up)."""

    expansion = 4

    def __init__(self, wide_in: int, width: int, stride: int) -> None:
        super().__init__()
        wide_out = self.expansion * width
        self.conv1 = conv(wide_in, width, 1, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, wide_out, 1, 1)
        self.bn3 = nn.BatchNorm2d(wide_out)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(wide_in, wide_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """The convolutions and average pooling; a subclass adds the heads.

    The heads may come from a second base class, such as :class:`export.zoo.bins.BinNet`, which gets ``heads``.
    """

    def __init__(self, block: Block, depths: Depths, **heads: int) -> None:
        """
        Args:
            block: the residual block.
            depths: blocks of each of the four stages.
            heads: arguments of the second base class.
        """
        super().__init__(**heads)
        self.conv1 = conv(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        wide = 64
        for stage, depth in enumerate(depths):
            blocks = []
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(block(wide, 64 << stage, stride))
                wide = (64 << stage) * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        # At 224 pixels the same as the original's AvgPool2d(7).
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def embed(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, 512 * expansion]``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.avgpool(x).flatten(1)


class ResNetBins(ResNet, BinNet):
    """A ResNet with the bin heads."""

    def __init__(self, block: Block, depths: Depths, width: int, bins: int) -> None:
        """See :class:`ResNet` and :class:`export.zoo.bins.BinNet`."""
        super().__init__(block, depths, width=width, bins=bins)


def conv(wide_in: int, wide_out: int, kernel: int, stride: int) -> nn.Conv2d:
    """A convolution without bias that keeps the size, but for the stride."""
    return nn.Conv2d(wide_in, wide_out, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(wide_in: int, wide_out: int, stride: int) -> nn.Module:
    if wide_in == wide_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(conv(wide_in, wide_out, 1, stride), nn.BatchNorm2d(wide_out))
