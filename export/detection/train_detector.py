"""Training of the detector: constant rate, to be prolonged at will, then a decay of its own; resumes exactly."""

from __future__ import annotations

import copy
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor

from export.detection.compose import MOST_FACES, MOST_IGNORED, SIDE, Composer
from export.detection.judge import finder, judge
from export.detection.mining import COLUMNS, mine
from export.detection.pictures import Pictures
from export.detection_net.loss import DetectorLoss, Targets
from export.detection_net.network import DetectorNet
from export.detection_net.own_weights import fill_again
from export.detection_net.yunet_weights import fill
from export.labelling.hull import Float64Array

BATCH = 16
SEED = 20261
_RATE, _LAST_RATE = 1e-3, 0.01
_WARM_UP = 500  # steps
_PLACES_ALONE = 300  # first steps, in which boxes learn their form and the other weights stay as YuNet's
_WEIGHT_DECAY = 0.01
_AVERAGE = 0.9995
_CLIP = 10.0  # norm of the gradient
_LOADERS = 2
_AHEAD = 4  # batches
_LOGGED, _SAVED, _JUDGED = 50, 50, 1500  # steps between
_MINED_FROM = 1500  # false boxes are sought at every judgement from here on

_CHECKPOINT, _LOG = "checkpoint.pt", "log.jsonl"


@dataclass(frozen=True)
class Batch:
    """B pictures ``[B, 3, SIDE, SIDE]`` as float32 of 0 to 255, and their faces."""

    images: Tensor
    targets: Targets


class Run:
    """State of a training: network, averaged network, optimiser, step, and false boxes to learn from."""

    def __init__(self, start: Path | None = None, again: Path | None = None) -> None:
        torch.manual_seed(SEED)
        self.step = 0
        self.network = DetectorNet().to(memory_format=torch.channels_last)
        if again is not None:
            fill_again(self.network, again)
        elif start is not None:
            fill(self.network, start)
        self._places_alone = 0 if again is not None else _PLACES_ALONE
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": _WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=_RATE)
        self.loss = DetectorLoss(SIDE, SIDE)
        self.hard: Float64Array = np.empty((0, COLUMNS))

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.step, self._places_alone = saved["step"], saved["places_alone"]
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.hard = saved["hard"].numpy()

    def save(self, path: Path) -> None:
        """Write a checkpoint in one step."""
        plain = {
            "step": self.step,
            "places_alone": self._places_alone,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "hard": torch.from_numpy(self.hard),
        }
        pending = path.with_suffix(".tmp")
        torch.save(plain, pending)
        pending.replace(path)

    def learn(self, batch: Batch, rate: float) -> dict[str, float]:
        """One step."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(self.network(batch.images), batch.targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        if self.step < self._places_alone:
            for name, parameter in self.network.named_parameters():
                if ".place." not in name:
                    parameter.grad = None
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.optimizer.step()
        self.step += 1
        self._follow(min(_AVERAGE, (1 + self.step) / (10 + self.step)))
        return {name: float(getattr(loss, name).detach()) for name in ("total", "score", "box", "point")}

    def _follow(self, kept: float) -> None:
        for value, own in zip(self.average.parameters(), self.network.parameters(), strict=True):
            value.lerp_(own.detach(), 1 - kept)


def constant_rate(step: int) -> float:
    """Rate of a step before the decay."""
    return _RATE * min(1.0, (step + 1) / _WARM_UP)


def decaying_rate(start: int, steps: int) -> Callable[[int], float]:
    """Rates of a decay over ``steps`` from ``start``: half a cosine."""

    def rate(step: int) -> float:
        share = min(max((step - start) / steps, 0.0), 1.0)
        return constant_rate(start) * (_LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * share)) / 2)

    return rate


def train(
    pictures: Pictures,
    kept: Pictures,
    folder: Path,
    *,
    start: Path | None = None,
    again: Path | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    decay: int | None = None,
    report: Callable[[str], None] = print,
) -> tuple[Run, bool]:
    """Train, or continue a training.

    Args:
        pictures, kept: for training, and held out.
        folder: of the checkpoint and the log.
        start: YuNet's file, whose weights a new training begins with; None for random ones.
        again: a written detector, whose weights are taken instead.
        steps: total number of steps at the constant rate.
        minutes: stop after this time.
        decay: make the last phase of this many steps from the checkpoint of the constant rate, in a folder of its own;
            the constant phase can still be prolonged later.
        report: takes lines.

    Returns:
        The training, and True if all steps are made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begun = (folder / _CHECKPOINT).exists()
    run = Run(None if begun else start, None if begun else again)
    if begun:
        run.load(folder / _CHECKPOINT)
    rate: Callable[[int], float] = constant_rate
    if decay is not None:
        rate = decaying_rate(run.step, decay)
        steps, folder = run.step + decay, folder / f"finish-{run.step}-{decay}"
        folder.mkdir(exist_ok=True)
        if (folder / _CHECKPOINT).exists():
            run.load(folder / _CHECKPOINT)
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    log = _open_log(folder / _LOG, run.step)
    sums: dict[str, float] = {}
    summed = 0
    since = time.monotonic()
    last = steps is not None and run.step >= steps
    while not last:
        stage = (run.step // _JUDGED + 1) * _JUDGED
        for batch in batches(pictures, run.hard, run.step, min(stage, steps or stage)):
            for name, value in run.learn(batch, rate(run.step)).items():
                sums[name] = sums.get(name, 0.0) + value
            summed += 1
            last = (steps is not None and run.step >= steps) or time.monotonic() > end
            if run.step % _LOGGED == 0 or last:
                record: dict[str, Any] = {name: round(value / summed, 4) for name, value in sums.items()}
                sums, summed = {}, 0
                record |= {"step": run.step, "rate": rate(run.step), "seconds": round(time.monotonic() - since, 1)}
                since = time.monotonic()
                _write(log, record, report)
            if run.step == stage and stage >= _MINED_FROM:
                run.hard = mine(finder(run.average), pictures)
            if run.step % _SAVED == 0 or last:
                run.save(folder / _CHECKPOINT)
            if run.step == stage or last:
                record = judge(finder(run.average), kept) | {"hard": len(run.hard)}
                _write(log, {"step": run.step} | record, report)
            if last:
                break
    log.close()
    return run, steps is not None and run.step >= steps


def _open_log(path: Path, step: int) -> TextIO:
    """Open a log to append; records after ``step``, of which no checkpoint was left, are dropped."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step), encoding="utf-8")
    return path.open("a", encoding="utf-8")


def _write(log: TextIO, record: dict[str, Any], report: Callable[[str], None]) -> None:
    line = json.dumps(record)
    log.write(line + "\n")
    log.flush()
    report(line)


def batches(pictures: Pictures, hard: Float64Array, first: int, end: int) -> Iterator[Batch]:
    """Batches from number ``first`` to before ``end``, composed ahead by a few threads."""
    compose = Composer(pictures, SEED, hard)
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(_LOADERS) as pool:
        try:
            number = first
            while number < end or waiting:
                while number < end and len(waiting) < _AHEAD:
                    waiting.append(pool.submit(_batch, compose, number))
                    number += 1
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _batch(compose: Composer, number: int) -> Batch:
    images = np.empty((BATCH, SIDE, SIDE, 3), np.uint8)
    boxes = np.zeros((BATCH, MOST_FACES, 4), np.float32)
    points = np.zeros((BATCH, MOST_FACES, 5, 2), np.float32)
    present = np.zeros((BATCH, MOST_FACES), bool)
    ignored = np.zeros((BATCH, MOST_IGNORED, 4), np.float32)
    for i in range(BATCH):
        image, own, five, left_out = compose(number * BATCH + i)
        images[i] = image
        boxes[i, : len(own)], points[i, : len(own)], present[i, : len(own)] = own, five, True
        ignored[i, : len(left_out)] = left_out
    # Channels last, as the network's weights.
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    arrays = (boxes, points, present, ignored)
    return Batch(tensor, Targets(*(torch.from_numpy(array) for array in arrays)))
