"""Layers of several backbones."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class HardSwish(nn.Module):
    """x * relu6(x + 3) / 6, as HardSigmoid and Mul: every TensorRT reads these two, the early ones no HardSwish."""

    def forward(self, x: Tensor) -> Tensor:
        return x * functional.hardsigmoid(x)


def conv_bn(
    wide_in: int, wide_out: int, kernel: int, stride: int, groups: int, *after: nn.Module, eps: float = 1e-5
) -> nn.Sequential:
    """A convolution that keeps the size, but for the stride; BatchNorm; and what stands behind it."""
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(wide_out, eps=eps),
        *after,
    )
