"""Training loop: AdamW with a cosine schedule, averaged weights, and checkpoints to resume from."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from export.distillation.heads import Heads, geodesic_deg
from export.distillation.published_losses import Objective
from export.teaching.arrays import BATCH, SEED, Batch
from export.zoo.bins import BinNet
from export.zoo.family import Family
from hpe_edge.errors import ModelError
from hpe_edge.spec import BinsDecode, Input
from hpe_edge.util.atomic import Pending, output_error

_RATE = 3e-3
_WARM_UP = 0.02  # share of the steps with a rising rate
_LAST_RATE = 0.01  # of the highest
_DECAY = 0.02
_AVERAGE = 0.999  # decay of the weights' average per step
_ANGLE_WEIGHT = 0.05  # of the expectation's error in degrees, beside the divergence in nats
_PREFETCHED = 3  # batches


@dataclass(frozen=True)
class Losses:
    """Losses of a batch.

    Attributes:
        divergence: Kullback-Leibler, target from student, mean over the angles and views; nats. Of a training with a
            published loss: that loss.
        error_deg: mean angle between the student's expected rotation and the target's.
    """

    divergence: float
    error_deg: float


class Training:
    """A student in training. ``step`` counts the steps done."""

    def __init__(
        self, family: Family, batches: Callable[[int], Batch], steps: int, objective: Objective | None = None
    ) -> None:
        """
        Args:
            family: of the student.
            batches: gives the batch of a step.
            steps: total number, for the schedule.
            objective: a loss in place of the divergence from the consensus and the angle to it.
        """
        torch.manual_seed(SEED)
        net = family.builds[0]()
        assert isinstance(net, BinNet)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.step, self.steps = 0, steps
        self._batches, self._input, self._objective = batches, family.input, objective
        assert isinstance(family.decode, BinsDecode)
        self._heads = Heads(family.decode, self.device)
        self._net = net.to(self.device, memory_format=torch.channels_last)
        self._average = copy.deepcopy(self._net).eval().requires_grad_(False)
        matrices = [weight for weight in self._net.parameters() if weight.ndim > 1]
        others = [weight for weight in self._net.parameters() if weight.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, lr=_RATE, weight_decay=_DECAY)

    def run(self, until: int) -> Iterator[Losses]:
        """Do the steps up to ``until``, not included, and yield the losses of each before its update."""
        with ThreadPoolExecutor(1) as maker:
            coming = [
                maker.submit(self._batches, step) for step in range(self.step, min(until, self.step + _PREFETCHED))
            ]
            while self.step < until:
                batch = coming.pop(0).result()
                if (step := self.step + _PREFETCHED) < until:
                    coming.append(maker.submit(self._batches, step))
                measured = self._learn(batch)
                self.step += 1
                yield measured

    def examine(self, batch: Batch) -> Losses:
        """Losses of the averaged weights on a batch."""
        with torch.inference_mode():
            divergence, error = self._losses(self._average, batch)
        return Losses(divergence.item(), error.item())

    @property
    def weights(self) -> dict[str, Tensor]:
        """The average's state dict, on the CPU."""
        return {key: tensor.cpu().contiguous() for key, tensor in self._average.state_dict().items()}

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Write a checkpoint to resume from; ``about`` has the run's settings and progress.

        The averaged weights are under ``state_dict``, so ``export.onnx`` reads a checkpoint, too.

        Raises:
            OutputError: it cannot be written.
        """
        state = {
            "about": about,
            "step": self.step,
            "state_dict": self.weights,
            "student": self._net.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        save(state, path)

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a checkpoint of :meth:`save`."""
        self.step = state["step"]
        self._average.load_state_dict(state["state_dict"])
        self._net.load_state_dict(state["student"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _learn(self, batch: Batch) -> Losses:
        rate = _rate(self.step, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._net.train()
        divergence, error = self._losses(self._net, batch)
        self._optimizer.zero_grad()
        (divergence if self._objective is not None else divergence + _ANGLE_WEIGHT * error).backward()
        self._optimizer.step()
        self._follow()
        measured = Losses(divergence.item(), error.item())
        if not math.isfinite(measured.divergence):
            raise ModelError(
                f"the training diverged in step {self.step}; check the teachers' predictions and the images"
            )
        return measured

    def _losses(self, net: BinNet, batch: Batch) -> tuple[Tensor, Tensor]:
        image = self._image(batch.crops)
        # bfloat16 takes 0.6 of the time on processors that support it; sums and weights stay float32.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=net.training):
            features = net.embed(image)
        logits = net.logits(features.float())
        logs = self._heads.log_probabilities(logits)
        rotations = torch.from_numpy(batch.rotations).to(self.device)
        error = geodesic_deg(self._heads.rotations(logs), rotations).mean()
        if self._objective is not None:
            levels = torch.from_numpy(batch.crops).to(self.device).float()
            return self._objective(logits, self._heads.angles_deg(rotations), levels), error
        targets = self._heads.targets(rotations, torch.from_numpy(batch.widths).to(self.device))
        divergences = [functional.kl_div(log, each, reduction="sum") for log, each in zip(logs, targets, strict=True)]
        return torch.stack(divergences).sum() / (3 * len(image)), error

    def _image(self, crops: NDArray[np.uint8]) -> Tensor:
        """Normalise uint8 crops to the network's input."""
        levels = torch.from_numpy(crops).to(self.device).to(memory_format=torch.channels_last).float()
        gain, bias = _normalisation(self._input)
        return levels.mul_(gain.to(self.device)).add_(bias.to(self.device))

    def _follow(self) -> None:
        """Update the average, faster in the first steps because it starts from random weights."""
        keep = min(_AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self._average.state_dict().values(), self._net.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, 1 - keep)
                else:
                    mean.copy_(now)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint of :meth:`Training.save`.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # undocumented for damaged files
        raise ModelError(f"the checkpoint {path} cannot be read ({error}); remove it to start again") from None
    return state


def save(state: dict[str, Any], path: Path) -> None:
    """Save by torch, atomically.

    Raises:
        OutputError: it cannot be written.
    """
    pending = Pending(path)
    try:
        torch.save(state, pending.temp)
        pending.commit()
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        pending.discard()


def steps_of(views: int) -> int:
    """The number of steps for a number of views."""
    return math.ceil(views / BATCH)


def _rate(step: int, steps: int) -> float:
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return _RATE * (step + 1) / warm
    along = (step - warm) / max(1, steps - warm)
    return _RATE * (_LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * along)) / 2)


def _normalisation(input: Input) -> tuple[Tensor, Tensor]:
    """Gain and bias of each channel, ``[3, 1, 1]``."""
    std = torch.tensor(input.std)[:, None, None]
    return input.scale / std, -torch.tensor(input.mean)[:, None, None] / std
