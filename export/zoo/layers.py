"""Layers shared by several backbones."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class HardSwish(nn.Module):
    """x * relu6(x + 3) / 6, as HardSigmoid and Mul, because older TensorRT has no HardSwish."""

    def forward(self, x: Tensor) -> Tensor:
        return x * functional.hardsigmoid(x)


def conv_bn(
    wide_in: int, wide_out: int, kernel: int, stride: int, groups: int, *after: nn.Module, eps: float = 1e-5
) -> nn.Sequential:
    """A convolution with same padding, BatchNorm, and further layers."""
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(wide_out, eps=eps),
        *after,
    )
