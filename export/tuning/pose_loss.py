"""Distance between the outputs of two variants of a network, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from export.distillation.heads import Heads, about, geodesic_deg
from hpe_edge.spec import AngleHead, BinsDecode, ModelSpec, QuaternionDecode, Rot6dDecode

_DIVERGENCE = 30.0  # weight of a nat beside a degree squared: sigma stays as it was, too
_FARTHEST_DEG = 5.0  # beyond it the loss grows by the distance, not by its square
_SURE_DEG = 10.0  # rms of an angle's three sigmas from which on a crop counts less: its answer is near chance


class PoseLoss:
    """Loss of outputs against those of the original: squared degrees, and of bins their divergence."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._heads = Heads(spec.decode, torch.device("cpu")) if isinstance(spec.decode, BinsDecode) else None

    def __call__(self, outputs: Sequence[Tensor], wanted: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Loss of a batch, and the distance ``[N]`` of each pose in degrees."""
        apart = geodesic_deg(self.rotations(outputs), self.rotations(wanted))
        loss = functional.huber_loss(apart, torch.zeros_like(apart), delta=_FARTHEST_DEG, reduction="none")
        if self._heads is None:
            return loss.mean(), apart
        aims = self._logs(wanted)
        pairs = zip(self._logs(outputs), aims, strict=True)
        divergences = [functional.kl_div(log, aim, reduction="none", log_target=True).sum(dim=1) for log, aim in pairs]
        loss = loss + _DIVERGENCE * torch.stack(divergences).mean(dim=0)
        sigma = self._heads.deviations(aims).square().mean(dim=1).sqrt()
        return (loss * (_SURE_DEG / sigma).clamp(max=1).square()).mean(), apart

    def rotations(self, outputs: Sequence[Tensor]) -> Tensor:
        """Rotations ``[N, 3, 3]`` of the poses; of a rotation head its own, which lie as far from each other."""
        decode = self._spec.decode
        if self._heads is not None:
            return self._heads.rotations(self._logs(outputs))
        heads = self._spec.heads()
        columns = [self._columns(outputs, head.output, head.column, getattr(head, "width", 1)) for head in heads]
        if all(isinstance(head, AngleHead) for head in heads):
            factors = [head.factor for head in heads if isinstance(head, AngleHead)]
            yaw, pitch, roll = (
                torch.deg2rad(column[:, 0] * factor) for column, factor in zip(columns, factors, strict=True)
            )
            return about(0, -pitch) @ about(1, yaw) @ about(2, roll)
        (numbers,) = columns
        if isinstance(decode, QuaternionDecode):
            return _of_quaternion(functional.normalize(numbers, dim=1))
        if isinstance(decode, Rot6dDecode):
            return _of_two_columns(numbers[:, :3], numbers[:, 3:])
        return numbers.reshape(-1, 3, 3)

    def _logs(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        assert self._heads is not None
        return self._heads.log_probabilities(outputs[self._spec.outputs.index(self._spec.heads()[0].output)])

    def _columns(self, outputs: Sequence[Tensor], name: str, first: int, count: int) -> Tensor:
        return outputs[self._spec.outputs.index(name)].flatten(1)[:, first : first + count]


def _of_two_columns(first: Tensor, second: Tensor) -> Tensor:
    """Gram-Schmidt; columns of the matrix."""
    x = functional.normalize(first, dim=1)
    z = functional.normalize(torch.linalg.cross(x, second), dim=1)
    return torch.stack([x, torch.linalg.cross(z, x), z], dim=2)


def _of_quaternion(q: Tensor) -> Tensor:
    w, x, y, z = q.unbind(1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
