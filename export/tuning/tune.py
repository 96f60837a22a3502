"""Quantization-aware training: the graph with its Q/DQ pairs learns the answers of the float32 graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from torch import Tensor
from tqdm import tqdm

from export.quantize.quantized_model import Original, ToTrain
from export.step import Reporter
from export.tuning.fake_quant import FakeQuantized
from export.tuning.pose_loss import PoseLoss
from export.tuning.training_faces import TrainingFaces
from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.errors import ModelError

BATCH = 32
_RATE, _RANGE_RATE = 1e-5, 1e-3  # of the weights, and of the logarithms of ranges
_WARM_UP, _LAST_RATE = 0.05, 0.02
_CLIP = 300.0  # norm of the gradient; a single face near chance has a hundred times that of others
_REPORTS = 6


def tune(task: ToTrain, faces: TrainingFaces, views: int, report: Reporter) -> tuple[ModelProto, dict[str, float]]:
    """Train the weights and the ranges of a graph with its layers in INT8.

    The teacher is the float32 model itself: no face needs a label, and the accuracy gate compares with the same.

    Args:
        task: the graph.
        faces: to train on.
        views: number of crops to learn from.
        report: takes the progress.

    Returns:
        The graph with the trained weights, and the ranges.

    Raises:
        ModelError: an operator cannot be trained, or the training diverged.
    """
    original = task.original
    net = FakeQuantized(task.graph, task.layers, task.ranges)
    groups = [{"params": net.weight_parameters, "most": _RATE}, {"params": net.range_parameters, "most": _RANGE_RATE}]
    optimizer = torch.optim.Adam(groups, lr=_RATE)
    loss_of = PoseLoss(original.spec)
    steps = max(1, views // BATCH)
    seen: list[NDArray[np.float32]] = []
    lines = []
    for step, (crops, wanted) in enumerate(tqdm(_lessons(original, faces, steps), total=steps, disable=None)):
        for group in optimizer.param_groups:
            group["lr"] = group["most"] * _share(step, steps)
        loss, apart = loss_of(net(crops), wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), _CLIP)
        optimizer.step()
        seen.append(apart.detach().numpy())
        if not np.isfinite(seen[-1]).all():
            raise ModelError(f"the training diverged in step {step}; give other images, or use hpe-edge export int8")
        if (step + 1) * _REPORTS // steps > step * _REPORTS // steps:
            some = np.concatenate(seen)
            lines.append(f"{step + 1:>7} {some.mean():>8.3f} {np.percentile(some, 99):>8.2f} {some.max():>8.2f}")
            seen = []
    report("training", [f"{'steps':>7} {'mean':>8} {'p99':>8} {'worst':>8}   degrees, before each step", *lines])
    return _written(task.graph, net.weights()), net.ranges


def _lessons(original: Original, faces: TrainingFaces, steps: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Crops and the original's outputs; the next batch is made while one is learned from."""
    session = open_session(original.path, graph=original.model.SerializeToString())

    def make(step: int) -> tuple[Tensor, list[Tensor]]:
        crops = faces.batch(step, BATCH)
        return _image(crops), [torch.from_numpy(each) for each in _outputs(session, original, crops)]

    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(make, 0)
        for step in range(steps):
            ready = coming.result()
            if step + 1 < steps:
                coming = maker.submit(make, step + 1)
            yield ready


def _outputs(session: onnxruntime.InferenceSession, original: Original, crops: NDArray[Any]) -> list[Any]:
    name = original.model.graph.input[0].name
    fixed = session.get_inputs()[0].shape[0]
    size = fixed if isinstance(fixed, int) else len(crops)
    parts = [
        session.run(list(original.spec.outputs), {name: crops[at : at + size]}) for at in range(0, len(crops), size)
    ]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _image(crops: NDArray[Any]) -> Tensor:
    return torch.from_numpy(crops).to(memory_format=torch.channels_last)


def _share(step: int, steps: int) -> float:
    """Of the highest rate: a rise, then half a cosine."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    along = (step - warm) / max(1, steps - warm)
    return _LAST_RATE + (1 - _LAST_RATE) * float(1 + np.cos(np.pi * along)) / 2


def _written(model: ModelProto, weights: Mapping[str, NDArray[np.float32]]) -> ModelProto:
    result = ModelProto()
    result.CopyFrom(model)
    for each in result.graph.initializer:
        if each.name in weights:
            each.CopyFrom(numpy_helper.from_array(weights[each.name], each.name))
    return result
