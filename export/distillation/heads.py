"""Heads of a student: target distributions of poses, and the poses that its logits stand for, in torch."""

from __future__ import annotations

import torch
from torch import Tensor

from hpe_edge.spec import BinsDecode

_LEAST_WIDTH = 1 / 3  # of a bin; a narrower distribution would vanish between two of them


class Heads:
    """The three heads of a bins decode whose order is zxy or xyz."""

    def __init__(self, decode: BinsDecode, device: torch.device) -> None:
        self._heads = (decode.yaw, decode.pitch, decode.roll)
        self._order = decode.order
        self._centers = [
            head.first_deg + head.step_deg * torch.arange(head.count, dtype=torch.float32, device=device)
            for head in self._heads
        ]

    def log_probabilities(self, logits: Tensor) -> list[Tensor]:
        """``[N, columns]`` to the three log-softmaxes ``[N, count]``."""
        return [logits[:, head.column : head.column + head.count].log_softmax(dim=1) for head in self._heads]

    def targets(self, rotations: Tensor, widths: Tensor) -> list[Tensor]:
        """Normal distributions ``[N, count]`` of each head about the angles of the rotations.

        Args:
            rotations: ``[N, 3, 3]``.
            widths: ``[N, 3]``, standard deviations in degrees.
        """
        angles = self.angles_deg(rotations)
        targets = []
        for i, (head, centers) in enumerate(zip(self._heads, self._centers, strict=True)):
            angle = angles[:, i : i + 1]
            if not head.circular:  # beyond the grid: its last bin
                angle = angle.clamp(centers.min().item(), centers.max().item())
            apart = centers - angle
            if head.circular:
                apart = (apart + 180) % 360 - 180
            width = widths[:, i : i + 1].clamp(min=_LEAST_WIDTH * abs(head.step_deg))
            targets.append(torch.softmax(-0.5 * (apart / width) ** 2, dim=1))
        return targets

    def angles_deg(self, rotations: Tensor) -> Tensor:
        """Yaw, pitch and roll ``[N, 3]`` of rotations ``[N, 3, 3]``, in the decode's order of turns."""
        return (_zxy if self._order == "zxy" else _xyz)(rotations)

    def rotations(self, log_probabilities: list[Tensor]) -> Tensor:
        """Expected rotations ``[N, 3, 3]``."""
        angles = []
        for head, centers, logs in zip(self._heads, self._centers, log_probabilities, strict=True):
            probabilities, radians = logs.exp(), torch.deg2rad(centers)
            if head.circular:
                angles.append(torch.atan2(probabilities @ radians.sin(), probabilities @ radians.cos()))
            else:
                angles.append(probabilities @ radians)
        yaw, pitch, roll = angles
        if self._order == "zxy":
            return about(2, roll) @ about(0, -pitch) @ about(1, yaw)
        return about(0, -pitch) @ about(1, yaw) @ about(2, roll)

    def deviations(self, log_probabilities: list[Tensor]) -> Tensor:
        """Standard deviations ``[N, 3]`` of the distributions, in degrees; circular ones by their mean direction."""
        found = []
        for head, centers, logs in zip(self._heads, self._centers, log_probabilities, strict=True):
            probabilities, radians = logs.exp(), torch.deg2rad(centers)
            if head.circular:
                length = torch.hypot(probabilities @ radians.sin(), probabilities @ radians.cos())
                found.append(torch.rad2deg((-2 * length.clamp(1e-6, 1).log()).sqrt()))
            else:
                mean = probabilities @ centers
                found.append((probabilities @ centers.square() - mean.square()).clamp(min=0).sqrt())
        return torch.stack(found, dim=1)


def geodesic_deg(one: Tensor, two: Tensor) -> Tensor:
    """Angles ``[N]`` between rotations ``[N, 3, 3]``, in degrees; its slope is finite everywhere."""
    # |A - B| = 2 sqrt(2) sin(angle / 2)
    chord = (one - two).flatten(1).square().sum(dim=1).clamp(min=1e-10, max=8 - 1e-4).sqrt() / 8**0.5
    return torch.rad2deg(2 * torch.asin(chord))


def about(axis: int, angle: Tensor) -> Tensor:
    """Rotations ``[N, 3, 3]`` about axis 0, 1 or 2 by angles ``[N]`` in radians."""
    cosine, sine, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = {
        0: (one, zero, zero, zero, cosine, -sine, zero, sine, cosine),
        1: (cosine, zero, sine, zero, one, zero, -sine, zero, cosine),
        2: (cosine, -sine, zero, sine, cosine, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def _zxy(r: Tensor) -> Tensor:
    """As :func:`hpe_edge.geometry.zxy_from_rotation`."""
    yaw = torch.atan2(-r[:, 2, 0], r[:, 2, 2])
    pitch = torch.atan2(-r[:, 2, 1], torch.hypot(r[:, 2, 0], r[:, 2, 2]))
    return torch.rad2deg(torch.stack([yaw, pitch, torch.atan2(-r[:, 0, 1], r[:, 1, 1])], dim=1))


def _xyz(r: Tensor) -> Tensor:
    """The label triple whose |pitch| is at most 90 degrees."""
    side = torch.where(r[:, 2, 2] < 0, -1.0, 1.0)
    pitch = torch.atan2(side * r[:, 1, 2], side * r[:, 2, 2])
    yaw = torch.atan2(r[:, 0, 2], side * torch.hypot(r[:, 0, 0], r[:, 0, 1]))
    sine, cosine = pitch.sin(), pitch.cos()
    roll = torch.atan2(cosine * r[:, 1, 0] - sine * r[:, 2, 0], cosine * r[:, 1, 1] - sine * r[:, 2, 1])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], dim=1))
