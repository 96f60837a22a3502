"""Common parts of families with three bin heads: the heads, their fusion into one, and the decode."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hpe_edge.spec import BinHead, BinsDecode

OUTPUT = "logits"


class BinNet(nn.Module, ABC):
    """A backbone (``embed``, the subclass's) and the heads for yaw, pitch and roll, by default ``fc_yaw`` and so on."""

    def __init__(
        self,
        width: int,
        bins: int | tuple[int, int, int],
        heads: tuple[str, str, str] = ("fc_yaw", "fc_pitch", "fc_roll"),
    ) -> None:
        """
        Args:
            width: features that the heads read.
            bins: bins of each head, or of yaw, pitch and roll.
            heads: the original's names of the heads for yaw, pitch and roll.
        """
        super().__init__()
        self._heads = heads
        for name, count in zip(heads, (bins,) * 3 if isinstance(bins, int) else bins, strict=True):
            self.add_module(name, nn.Linear(width, count))

    @property
    def heads(self) -> list[nn.Linear]:
        """The heads for yaw, pitch and roll, in this order."""
        return [self.get_submodule(name) for name in self._heads]

    @abstractmethod
    def embed(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, width]``."""

    def logits(self, features: Tensor) -> Tensor:
        """``[N, width]`` to the logits of all heads side by side, in the order of ``heads``."""
        return torch.cat([head(features) for head in self.heads], dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to the logits of all heads side by side."""
        return self.logits(self.embed(image))


class _FusedHeads(nn.Module):
    """A BinNet with its three heads stacked into one."""

    def __init__(self, net: BinNet) -> None:
        super().__init__()
        self.net = net
        self.head = stack_heads(net.heads)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.net.embed(image))


def fuse_heads(net: BinNet) -> nn.Module:
    """The same outputs from one matrix product in place of three and a concatenation."""
    return _FusedHeads(net).eval()


def stack_heads(heads: list[nn.Linear]) -> nn.Linear:
    """Stack Linear layers into one, with their outputs side by side."""
    stacked = nn.Linear(heads[0].in_features, sum(head.out_features for head in heads))
    with torch.no_grad():
        stacked.weight.copy_(torch.cat([head.weight for head in heads]))
        stacked.bias.copy_(torch.cat([head.bias for head in heads]))
    return stacked


def bins_decode(first_deg: float, step_deg: float, count: int) -> BinsDecode:
    """Three heads with the same grid, side by side in the one output, in the order of ``BinNet.heads``."""
    yaw, pitch, roll = (
        BinHead(output=OUTPUT, column=i * count, first_deg=first_deg, step_deg=step_deg, count=count) for i in range(3)
    )
    return BinsDecode(yaw=yaw, pitch=pitch, roll=roll)
