"""Suite ``regions``: RoIAlign and non-maximum suppression beside ONNX Runtime's operators and PyTorch, on one core.

The sizes are those of a whole-picture model: a map of 256 channels at an eighth of 800 x 1280, and up to 1000 boxes.
PyTorch has neither operation of its own; RoIAlign is its ``grid_sample`` and a mean, suppression its matrix of overlaps
and a loop, as written in places without torchvision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from benchmarks.harness.suite import BudgetLine, NoOptions, Suite
from benchmarks.harness.timing import Alternative, Case, Effort, Result, measure
from hpe_edge.ops.regions import ROI_BINS, roi_align, suppress

CHANNELS, HEIGHT, WIDTH, SCALE = 256, 100, 160, 1 / 8
BOXES = (10, 100, 1000)
OVERLAP = 0.5
_SAMPLES = 2  # of a bin, on a side
_POOLING, _SUPPRESSION = "RoIAlign", "suppression"
Float32 = NDArray[np.float32]


def _run(options: NoOptions, effort: Effort) -> Iterator[Result]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((HEIGHT, WIDTH, CHANNELS), dtype=np.float32)
    for count in BOXES:
        boxes = _boxes(rng, count)
        yield measure(_pooling(features, boxes), effort)
        yield measure(_suppression(boxes, np.float32(rng.permutation(count)) / np.float32(count)), effort)


def _boxes(rng: np.random.Generator, count: int) -> Float32:
    """Boxes of faces of any size, about four around each."""
    centres = rng.uniform(0, (WIDTH / SCALE, HEIGHT / SCALE), (max(count // 4, 1), 2))
    sides = rng.uniform(16, 300, (len(centres), 1))
    which = rng.integers(0, len(centres), count)
    corner = centres[which] - sides[which] / 2 + rng.normal(0, 0.1, (count, 2)) * sides[which]
    return np.concatenate([corner, corner + sides[which] * rng.uniform(0.9, 1.1, (count, 2))], axis=1).astype(
        np.float32
    )


def _pooling(features: Float32, boxes: Float32) -> Case:
    levels = np.zeros(len(boxes), np.int32)
    planes = np.ascontiguousarray(features.transpose(2, 0, 1))[None]
    node = helper.make_node(
        "RoiAlign",
        ["features", "boxes", "levels"],
        ["out"],
        coordinate_transformation_mode="output_half_pixel",
        output_height=ROI_BINS,
        output_width=ROI_BINS,
        sampling_ratio=_SAMPLES,
        spatial_scale=SCALE,
    )
    feed: dict[str, NDArray[Any]] = {"features": planes, "boxes": boxes, "levels": levels.astype(np.int64)}
    alternatives = [
        Alternative("hpe_edge", "roi_align", lambda: roi_align([(features, SCALE)], levels, boxes), _pooled),
        Alternative("onnxruntime", "operator RoiAlign", _operator(node, feed), _planes, {"pooled": 1e-4}),
    ]
    if find_spec("torch") is not None:
        pooled = _torch_pooling(planes, boxes)
        alternatives.append(Alternative("torch", "grid_sample and a mean", pooled, _planes, {"pooled": 1e-3}))
    return Case(_POOLING, {"boxes": len(boxes), "channels": CHANNELS}, alternatives)


def _suppression(boxes: Float32, scores: Float32) -> Case:
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "overlap"], ["out"])
    feed: dict[str, NDArray[Any]] = {
        "boxes": boxes[None],
        "scores": scores[None, None],
        "most": np.array([len(boxes)], np.int64),
        "overlap": np.array([OVERLAP], np.float32),
    }
    alternatives = [
        Alternative("hpe_edge", "suppress", lambda: suppress(boxes, scores, OVERLAP), lambda kept: {"kept": kept}),
        Alternative(
            "onnxruntime",
            "operator NonMaxSuppression",
            _operator(node, feed),
            lambda outputs: {"kept": outputs[0][:, 2]},
            {"kept": 0.0},
        ),
    ]
    if find_spec("torch") is not None:
        call = _torch_suppression(boxes, scores)
        alternatives.append(
            Alternative("torch", "a matrix of overlaps and a loop", call, lambda kept: {"kept": kept}, {"kept": 0.0})
        )
    return Case(_SUPPRESSION, {"boxes": len(boxes)}, alternatives)


def _operator(node: Any, feed: dict[str, NDArray[Any]]) -> Callable[[], list[Any]]:
    """Return a run of one operator by ONNX Runtime, on one thread."""
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    given = [helper.make_tensor_value_info(name, kinds[each.dtype], each.shape) for name, each in feed.items()]
    kind = TensorProto.INT64 if node.op_type == "NonMaxSuppression" else TensorProto.FLOAT
    graph = helper.make_graph([node], "one", given, [helper.make_tensor_value_info("out", kind, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: list(session.run(None, feed))


def _torch_pooling(planes: Float32, boxes: Float32) -> Callable[[], list[Any]]:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    features, where = torch.from_numpy(planes), torch.from_numpy(boxes)
    side = ROI_BINS * _SAMPLES
    steps = (torch.arange(side, dtype=torch.float32) + 0.5) / side

    def call() -> list[Any]:
        corner, far = where[:, :2] * SCALE, where[:, 2:] * SCALE
        extent = (far - corner).clamp(min=1)
        x = corner[:, :1] + extent[:, :1] * steps
        y = corner[:, 1:] + extent[:, 1:] * steps
        inside = ((y >= -1) & (y <= HEIGHT))[:, :, None] & ((x >= -1) & (x <= WIDTH))[:, None]
        x, y = x.clamp(0, WIDTH - 1), y.clamp(0, HEIGHT - 1)
        grid = torch.stack(
            torch.broadcast_tensors(2 * x[:, None] / (WIDTH - 1) - 1, 2 * y[:, :, None] / (HEIGHT - 1) - 1), dim=-1
        )
        sampled = functional.grid_sample(features, grid.reshape(1, -1, side, 2), align_corners=True)
        sampled = sampled[0].reshape(CHANNELS, -1, side, side) * inside
        return [functional.avg_pool2d(sampled, _SAMPLES).transpose(0, 1).numpy()]

    return call


def _torch_suppression(boxes: Float32, scores: Float32) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    where, marks = torch.from_numpy(boxes), torch.from_numpy(scores)

    def call() -> Any:
        order = marks.argsort(descending=True)
        rows = where[order]
        least = torch.maximum(rows[:, None, :2], rows[None, :, :2])
        most = torch.minimum(rows[:, None, 2:], rows[None, :, 2:])
        shared = (most - least).clamp(min=0).prod(dim=2)
        areas = (rows[:, 2:] - rows[:, :2]).prod(dim=1)
        near = shared / (areas[:, None] + areas - shared) > OVERLAP
        kept, left = [], torch.ones(len(rows), dtype=torch.bool)
        for i in range(len(rows)):
            if left[i]:
                kept.append(i)
                left &= ~near[i]
        return order[kept].numpy()

    return call


def _pooled(found: Float32) -> dict[str, NDArray[Any]]:
    return {"pooled": found}


def _planes(outputs: list[Float32]) -> dict[str, NDArray[Any]]:
    return {"pooled": outputs[0].transpose(0, 2, 3, 1)}


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    for result in results:
        others = {row.name: row.ratio.median for row in result.rows if row.name != "hpe_edge"}
        found = ", ".join(f"{name} {ratio:.1f}" for name, ratio in others.items())
        what = f"{result.name}, {result.parameters['boxes']} boxes"
        lines.append(BudgetLine(what, "faster than others", f"times as long: {found}", min(others.values()) > 1))
    return lines


SUITE = Suite("regions", "RoIAlign and suppression beside others'", _run, NoOptions, _budget)
