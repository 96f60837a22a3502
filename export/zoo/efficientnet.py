"""EfficientNet-B0 as TensorFlow runs it: SAME padding, BatchNorm with an eps of 1e-3.

Source: Tan and Le, 2019, arXiv:1905.11946.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional

# channels in, channels out, expansion, kernel, stride of the first block, blocks
_STAGES = (
    (32, 16, 1, 3, 1, 1),
    (16, 24, 6, 3, 2, 2),
    (24, 40, 6, 5, 2, 2),
    (40, 80, 6, 3, 2, 3),
    (80, 112, 6, 5, 1, 3),
    (112, 192, 6, 5, 2, 4),
    (192, 320, 6, 3, 1, 1),
)
_SQUEEZED = 4  # a block's gate has a fourth of the block's input channels
_BN_EPS = 1e-3


class EfficientNetB0(nn.Module):
    """``[N, 3, S, S]`` to ``[N, 1280]``. The submodules are in the order of execution."""

    width = 1280

    def __init__(self) -> None:
        super().__init__()
        self.stem = _ConvBn(3, 32, kernel=3, stride=2)
        self.blocks = nn.Sequential(
            *itertools.chain.from_iterable(
                (
                    _Block(wide_in, wide_out, expansion, kernel, stride),
                    *(_Block(wide_out, wide_out, expansion, kernel, 1) for _ in range(count - 1)),
                )
                for wide_in, wide_out, expansion, kernel, stride, count in _STAGES
            )
        )
        self.top = _ConvBn(320, self.width, kernel=1)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, image: Tensor) -> Tensor:
        x = functional.silu(self.stem(image))
        x = functional.silu(self.top(self.blocks(x)))
        return self.pool(x).flatten(1)


class _Block(nn.Module):
    """Expand the channels, filter each one, weigh them by their means, and mix; with a shortcut where shapes allow."""

    def __init__(self, wide_in: int, wide_out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = expansion * wide_in
        self.shortcut = wide_in == wide_out and stride == 1
        self.expand = _ConvBn(wide_in, wide, kernel=1) if expansion > 1 else None
        self.depthwise = _ConvBn(wide, wide, kernel, stride, groups=wide)
        self.gate = _Gate(wide, wide_in // _SQUEEZED)
        self.project = _ConvBn(wide, wide_out, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else functional.silu(self.expand(x))
        y = self.project(self.gate(functional.silu(self.depthwise(y))))
        return x + y if self.shortcut else y


class _Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(wide, narrow, 1)
        self.excite = nn.Conv2d(narrow, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(functional.silu(self.squeeze(self.pool(x)))).sigmoid()


class _ConvBn(nn.Module):
    """A convolution with TensorFlow's SAME padding, for sizes that the stride divides, and BatchNorm.

    SAME pads ``kernel - stride`` pixels in all, half of them on either side, an odd one at the bottom and the right.
    ``graph.simplify`` makes that one part of the convolution.
    """

    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        before, odd = divmod(kernel - stride, 2)
        self.pad = nn.ZeroPad2d((0, odd, 0, odd)) if odd else nn.Identity()
        self.conv = nn.Conv2d(wide_in, wide_out, kernel, stride, padding=before, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(wide_out, eps=_BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(self.pad(x)))
