"""Ensembles: several networks in one graph, with averaged outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.zoo.family import Family
from hpe_edge.errors import InputError
from hpe_edge.spec import AnglesDecode, BinsDecode

_NEVER_ZERO = 1e-30  # keeps the logarithm of a bin with no probability finite


class _MeanDistribution(nn.Module):
    """Logits of the mean of the members' distributions: equation 4 of EHPNet's paper, with equal weights.

    The logarithm of a distribution is a vector of logits, so the members' decode still applies.
    """

    def __init__(self, members: Sequence[nn.Module], decode: BinsDecode) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.heads = [slice(h.column, h.column + h.count) for h in (decode.yaw, decode.pitch, decode.roll)]

    def forward(self, image: Tensor) -> Tensor:
        outputs = [_first(member(image)) for member in self.members]
        means = []
        for head in self.heads:
            probabilities = [torch.softmax(logits[:, head], dim=1) for logits in outputs]
            # Dividing the sum would add a constant to every logit.
            means.append(torch.log(sum(probabilities[1:], start=probabilities[0]) + _NEVER_ZERO))
        return torch.cat(means, dim=1)


class _MeanAngles(nn.Module):
    """The mean of the members' angles: the first one's plus the mean of the others' shortest differences from it.

    The plain mean of 179 and -179 degrees would be 0.
    """

    def __init__(self, members: Sequence[nn.Module], decode: AnglesDecode) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        factors = [decode.yaw.factor, decode.pitch.factor, decode.roll.factor]
        self.register_buffer("turn", torch.tensor([360.0 / abs(factor) for factor in factors]), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        first, *others = (_first(member(image)) for member in self.members)
        apart = [self._shortest(other - first) for other in others]
        return self._shortest(first + sum(apart[1:], start=apart[0]) / len(self.members))

    def _shortest(self, angles: Tensor) -> Tensor:
        return angles - self.turn * torch.floor(angles / self.turn + 0.5)


def average(families: Sequence[Family], nets: Sequence[nn.Module]) -> nn.Module:
    """One network with the mean of the first outputs of several, checked by :func:`check_members`."""
    decode = families[0].decode
    if isinstance(decode, BinsDecode):
        return _MeanDistribution(nets, decode).eval()
    assert isinstance(decode, AnglesDecode)  # see check_members
    return _MeanAngles(nets, decode).eval()


def check_members(families: Sequence[Family]) -> None:
    """Refuse families that cannot be averaged.

    Raises:
        InputError: they differ in input or decode, or their heads are rotations.
    """
    first = families[0]
    for other in families[1:]:
        if other.input != first.input:
            raise InputError(
                f"{first.name} and {other.name} cannot be one ensemble: their inputs differ "
                f"({_input(first)}; {_input(other)})"
            )
        if other.decode != first.decode:
            raise InputError(f"{first.name} and {other.name} cannot be one ensemble: their decodes differ")
    if not isinstance(first.decode, BinsDecode | AnglesDecode):
        raise InputError(f"{first.name} gives rotations; only networks with bins or angles are averaged")


def _input(family: Family) -> str:
    made = family.input
    return f"{made.size} pixels, {made.color}, scale {made.scale:g}, mean {made.mean}, std {made.std}"


def _first(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    return outputs[0] if isinstance(outputs, tuple) else outputs
