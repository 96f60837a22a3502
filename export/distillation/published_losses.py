"""Losses of published head-pose networks, for training on labelled angles.

Each is called with the logits of the three heads side by side, as the decode places them, and the labels' angles, and
gives the mean over the batch of the sum over the angles.

Sources: Ruiz et al., 2018, arXiv:1710.00925 (cross-entropy of bins and squared error); Zhou and Gregson, 2020,
arXiv:2005.10353 (wrapped error); Thai et al., 2022, arXiv:2210.13705 (learning from an ensemble's distributions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from hpe_edge.spec import BinHead, BinsDecode

_TURN_DEG = 360.0


class Objective(Protocol):
    """A loss of labelled faces."""

    def __call__(self, logits: Tensor, angles_deg: Tensor, image: Tensor) -> Tensor:
        """Loss of a batch, a scalar.

        Args:
            logits: ``[N, columns]`` of the student.
            angles_deg: ``[N, 3]``, labelled yaw, pitch and roll, in the order of turns of the student's decode.
            image: ``[N, 3, S, S]`` levels 0..255, as the student sees the faces before its normalisation.
        """


@dataclass(frozen=True)
class MultiLoss:
    """HopeNet's: cross-entropy of the angle's bin, and ``alpha`` times the squared error of the expectation.

    Attributes:
        decode: of the student. The bin of an angle is the one whose value is nearest: with a grid of bin centres, as
            the students have, the bin that holds the angle.
        alpha: weight of a squared degree.
        wrapped: WHENet's: the error of a head that spans the full circle is that of the shorter way round, so 179 and
            -179 degrees are 2 apart. The expectation is the plain one, as there.
    """

    decode: BinsDecode
    alpha: float
    wrapped: bool = False

    def __call__(self, logits: Tensor, angles_deg: Tensor, image: Tensor) -> Tensor:
        """See :class:`Objective`."""
        heads = (self.decode.yaw, self.decode.pitch, self.decode.roll)
        return torch.stack([self._of(head, logits, angles_deg[:, i]) for i, head in enumerate(heads)]).sum()

    def _of(self, head: BinHead, logits: Tensor, angles: Tensor) -> Tensor:
        own = logits[:, head.column : head.column + head.count]
        error = own.softmax(dim=1) @ centers_of(head, own.device) - angles
        if self.wrapped and head.circular:
            error = error.abs()
            error = torch.minimum(error, _TURN_DEG - error)
        return functional.cross_entropy(own, bins_of(head, angles)) + self.alpha * error.square().mean()


@dataclass(frozen=True)
class EnsembleLoss:
    """Divergence of the student from the mean distribution of several teachers, Kullback-Leibler, in nats.

    The labels are not read: the teachers have learned them.

    Attributes:
        decode: of the student; the teachers have the same bins.
        teachers: give logits as the student does, of levels ``[N, 3, S, S]``.
    """

    decode: BinsDecode
    teachers: Sequence[Callable[[Tensor], Tensor]]

    def __call__(self, logits: Tensor, angles_deg: Tensor, image: Tensor) -> Tensor:
        """See :class:`Objective`."""
        with torch.no_grad():
            taught = [teacher(image) for teacher in self.teachers]
        losses = []
        for head in (self.decode.yaw, self.decode.pitch, self.decode.roll):
            columns = slice(head.column, head.column + head.count)
            aim = torch.stack([each[:, columns].softmax(dim=1) for each in taught]).mean(dim=0)
            losses.append(functional.kl_div(logits[:, columns].log_softmax(dim=1), aim, reduction="batchmean"))
        return torch.stack(losses).sum()


def centers_of(head: BinHead, device: torch.device) -> Tensor:
    """Angles ``[count]`` that the bins stand for."""
    return head.first_deg + head.step_deg * torch.arange(head.count, dtype=torch.float32, device=device)


def bins_of(head: BinHead, angles_deg: Tensor) -> Tensor:
    """Numbers ``[N]`` of the bins nearest to angles; beyond a grid that is no circle its first or last one."""
    places = ((angles_deg - head.first_deg) / head.step_deg).round().long()
    return places % head.count if head.circular else places.clamp(0, head.count - 1)
