"""RepVGG: trained with three branches in each block, run with one 3x3 convolution in their place.

Source: Ding et al., 2021, arXiv:2101.03697.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.zoo.layers import conv_bn


@dataclass(frozen=True)
class Plan:
    """The shape of one variant.

    Attributes:
        depths: blocks of each of the last four stages; the first has one.
        widths: output channels of the five stages.
        groups: of every second block, counted through the last four stages; the other blocks have one.
    """

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int, int]
    groups: int


A0 = Plan(depths=(2, 4, 14, 1), widths=(48, 48, 96, 192, 1280), groups=1)
B1G2 = Plan(depths=(4, 6, 16, 1), widths=(64, 128, 256, 512, 2048), groups=2)


class FusedBlock(nn.Module):
    """The block in its deploy form: one 3x3 convolution."""

    def __init__(self, wide_in: int, wide_out: int, stride: int, groups: int) -> None:
        super().__init__()
        self.rbr_reparam = nn.Conv2d(wide_in, wide_out, 3, stride, padding=1, groups=groups)
        self.nonlinearity = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinearity(self.rbr_reparam(x))


class BranchedBlock(nn.Module):
    """The block in its training form: a 3x3 and a 1x1 convolution and, where the shapes allow it, a shortcut."""

    def __init__(self, wide_in: int, wide_out: int, stride: int, groups: int) -> None:
        super().__init__()
        self.rbr_dense = _named_conv_bn(wide_in, wide_out, 3, stride, groups)
        self.rbr_1x1 = _named_conv_bn(wide_in, wide_out, 1, stride, groups)
        self.rbr_identity = nn.BatchNorm2d(wide_out) if wide_in == wide_out and stride == 1 else None
        self.nonlinearity = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.rbr_dense(x) + self.rbr_1x1(x)
        return self.nonlinearity(y if self.rbr_identity is None else y + self.rbr_identity(x))

    def fused(self) -> FusedBlock:
        """The same function in the deploy form.

        In inference BatchNorm is gain * x + offset per channel, so each branch is a convolution; the 1x1's weight and
        the shortcut's 1 go to the centre of a 3x3 kernel, and kernels and offsets add up. In float64 against rounding.
        """
        dense, point = self.rbr_dense.conv, self.rbr_1x1.conv
        gain, bias = _affine(self.rbr_dense.bn)
        kernel = gain * dense.weight.double()
        gain, offset = _affine(self.rbr_1x1.bn)
        kernel[:, :, 1:2, 1:2] += gain * point.weight.double()
        bias = bias + offset
        if self.rbr_identity is not None:
            gain, offset = _affine(self.rbr_identity)
            channel = torch.arange(dense.out_channels)
            kernel[channel, channel % dense.weight.shape[1], 1, 1] += gain.flatten()
            bias = bias + offset
        block = FusedBlock(dense.in_channels, dense.out_channels, dense.stride[0], dense.groups)
        block.rbr_reparam.weight.copy_(kernel)
        block.rbr_reparam.bias.copy_(bias)
        return block


class RepVgg(nn.Module):
    """The convolutions and average pooling; a subclass adds the heads beside them."""

    def __init__(self, plan: Plan, block: type[BranchedBlock] | type[FusedBlock]) -> None:
        super().__init__()
        first, *widths = plan.widths
        self.layer0 = block(3, first, 2, 1)
        count, wide = 0, first
        for stage, (depth, wide_out) in enumerate(zip(plan.depths, widths, strict=True), start=1):
            blocks = []
            for i in range(depth):
                blocks.append(block(wide, wide_out, 2 if i == 0 else 1, plan.groups if count % 2 else 1))
                count, wide = count + 1, wide_out
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.gap = nn.AdaptiveAvgPool2d(1)

    def embed(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, widths[-1]]``."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.layer0(image)))))
        return self.gap(x).flatten(1)


def fuse_branches(net: nn.Module) -> nn.Module:
    """The same network with every block in its deploy form."""
    fused = copy.deepcopy(net)
    with torch.no_grad():
        for name, module in net.named_modules():
            if isinstance(module, BranchedBlock):
                fused.set_submodule(name, module.fused())
    return fused.eval()


def _named_conv_bn(wide_in: int, wide_out: int, kernel: int, stride: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(zip(("conv", "bn"), conv_bn(wide_in, wide_out, kernel, stride, groups), strict=True))
    )


def _affine(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """BatchNorm's gain ``[C, 1, 1, 1]`` and offset ``[C]``, in float64."""
    gain = bn.weight.double() / torch.sqrt(bn.running_var.double() + bn.eps)
    return gain.view(-1, 1, 1, 1), bn.bias.double() - bn.running_mean.double() * gain
