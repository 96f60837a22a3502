"""The convolutions of MobileNetV2 and V3, with torchvision's state-dict keys.

Sources: Sandler et al., 2018, arXiv:1801.04381; Howard et al., 2019, arXiv:1905.02244.
"""

from __future__ import annotations

import functools

from torch import Tensor, nn

from export.zoo.layers import HardSwish, conv_bn

# BatchNorm's eps is the head-pose repository's. In V2 it is not torchvision's, and only the projections at the ends of
# the blocks have torch's default of 1e-5.
_conv_bn = functools.partial(conv_bn, eps=1e-3)


class _V2Block(nn.Module):
    """Expand, filter each channel, project; a shortcut where the shapes allow it."""

    def __init__(self, wide_in: int, wide_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * wide_in
        expand = [_conv_bn(wide_in, wide, 1, 1, 1, nn.ReLU6())] if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand, _conv_bn(wide, wide, 3, stride, wide, nn.ReLU6()), *conv_bn(wide, wide_out, 1, 1, 1)
        )
        self.shortcut = stride == 1 and wide_in == wide_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class _SqueezeExcitation(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        narrow = _multiple_of_8(wide // 4)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(wide, narrow, 1)
        self.activation = nn.ReLU()
        self.fc2 = nn.Conv2d(narrow, wide, 1)
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        weights = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return x * self.scale_activation(weights)


class _V3Block(nn.Module):
    """V2's block with squeeze and excitation before the projection."""

    def __init__(
        self,
        wide_in: int,
        wide: int,
        wide_out: int,
        kernel: int,
        stride: int,
        activation: type[nn.Module],
        excite: bool,
    ) -> None:
        super().__init__()
        expand = [_conv_bn(wide_in, wide, 1, 1, 1, activation())] if wide != wide_in else []
        self.block = nn.Sequential(
            *expand,
            _conv_bn(wide, wide, kernel, stride, wide, activation()),
            *([_SqueezeExcitation(wide)] if excite else []),
            _conv_bn(wide, wide_out, 1, 1, 1),
        )
        self.shortcut = stride == 1 and wide_in == wide_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.shortcut else self.block(x)


# expansion, wide_out, how many, stride of the first
_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

V3Plan = tuple[tuple[int, int, int, int, type[nn.Module], bool], ...]

# wide, wide_out, kernel, stride, activation, excite
V3_SMALL: V3Plan = (
    (16, 16, 3, 2, nn.ReLU, True),
    (72, 24, 3, 2, nn.ReLU, False),
    (88, 24, 3, 1, nn.ReLU, False),
    (96, 40, 5, 2, HardSwish, True),
    (240, 40, 5, 1, HardSwish, True),
    (240, 40, 5, 1, HardSwish, True),
    (120, 48, 5, 1, HardSwish, True),
    (144, 48, 5, 1, HardSwish, True),
    (288, 96, 5, 2, HardSwish, True),
    (576, 96, 5, 1, HardSwish, True),
    (576, 96, 5, 1, HardSwish, True),
)
V3_LARGE: V3Plan = (
    (16, 16, 3, 1, nn.ReLU, False),
    (64, 24, 3, 2, nn.ReLU, False),
    (72, 24, 3, 1, nn.ReLU, False),
    (72, 40, 5, 2, nn.ReLU, True),
    (120, 40, 5, 1, nn.ReLU, True),
    (120, 40, 5, 1, nn.ReLU, True),
    (240, 80, 3, 2, HardSwish, False),
    (200, 80, 3, 1, HardSwish, False),
    (184, 80, 3, 1, HardSwish, False),
    (184, 80, 3, 1, HardSwish, False),
    (480, 112, 3, 1, HardSwish, True),
    (672, 112, 3, 1, HardSwish, True),
    (672, 160, 5, 2, HardSwish, True),
    (960, 160, 5, 1, HardSwish, True),
    (960, 160, 5, 1, HardSwish, True),
)


def v2_features() -> nn.Sequential:
    """MobileNetV2's convolutions: ``[N, 3, S, S]`` to 1280 channels."""
    blocks: list[nn.Module] = [_conv_bn(3, 32, 3, 2, 1, nn.ReLU6())]
    wide_in = 32
    for expansion, wide_out, count, stride in _V2:
        for i in range(count):
            blocks.append(_V2Block(wide_in, wide_out, stride if i == 0 else 1, expansion))
            wide_in = wide_out
    return nn.Sequential(*blocks, _conv_bn(wide_in, 1280, 1, 1, 1, nn.ReLU6()))


def v3_features(plan: V3Plan) -> nn.Sequential:
    """MobileNetV3's convolutions: ``[N, 3, S, S]`` to six times as many channels as the last block has."""
    blocks: list[nn.Module] = [_conv_bn(3, 16, 3, 2, 1, HardSwish())]
    wide_in = 16
    for wide, wide_out, kernel, stride, activation, excite in plan:
        blocks.append(_V3Block(wide_in, wide, wide_out, kernel, stride, activation, excite))
        wide_in = wide_out
    return nn.Sequential(*blocks, _conv_bn(wide_in, 6 * wide_in, 1, 1, 1, HardSwish()))


def _multiple_of_8(wide: int) -> int:
    """The nearest multiple of 8 that is not below 90 % of ``wide``."""
    nearest = max(8, (wide + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * wide else nearest
