"""What families with three bin heads share: the heads, their fusing into one, and the decode."""

# mypy: allow-subclassing-any

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hpe_edge.spec import BinHead, BinsDecode

OUTPUT = "logits"


class BinNet(nn.Module, ABC):
    """A backbone (``embed``, the subclass's) and the heads ``fc_yaw``, ``fc_pitch``, ``fc_roll``."""

    def __init__(self, width: int, bins: int) -> None:
        super().__init__()
        self.fc_yaw = nn.Linear(width, bins)
        self.fc_pitch = nn.Linear(width, bins)
        self.fc_roll = nn.Linear(width, bins)

    @abstractmethod
    def embed(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, width]``."""

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to the logits ``[N, 3 * bins]``: yaw, pitch, roll, whatever the original's order is."""
        features = self.embed(image)
        return torch.cat([self.fc_yaw(features), self.fc_pitch(features), self.fc_roll(features)], dim=1)


class _FusedHeads(nn.Module):
    """A BinNet with its three Linear layers stacked into one: each row of weights does what it did before."""

    def __init__(self, net: BinNet) -> None:
        super().__init__()
        heads = (net.fc_yaw, net.fc_pitch, net.fc_roll)
        self.net = net
        self.head = nn.Linear(heads[0].in_features, sum(head.out_features for head in heads))
        with torch.no_grad():
            self.head.weight.copy_(torch.cat([head.weight for head in heads]))
            self.head.bias.copy_(torch.cat([head.bias for head in heads]))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.net.embed(image))


def fuse_heads(net: BinNet) -> nn.Module:
    """The same outputs from one matrix product in place of three and a concatenation."""
    return _FusedHeads(net).eval()


def bins_decode(first_deg: float, step_deg: float, count: int) -> BinsDecode:
    """Three heads with the same grid, side by side in the one output, in the order of ``BinNet.forward``."""
    yaw, pitch, roll = (
        BinHead(output=OUTPUT, column=i * count, first_deg=first_deg, step_deg=step_deg, count=count) for i in range(3)
    )
    return BinsDecode(yaw=yaw, pitch=pitch, roll=roll)
