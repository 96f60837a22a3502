"""ONNX file of a trained detector, checked against the network."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from export.detection_net.network import BOX, POINTS, STRIDES, DetectorNet, bias_of
from hpe_edge.errors import ModelError
from hpe_edge.util.atomic import Pending

_OPSET = 17
CORNER = torch.tensor([-0.5, -0.5, 0.5, 0.5] + [0.5] * 10)  # strides, from a cell's centre to its corner
_TOLERANCE = 1e-3  # strides or probability


class Exported(nn.Module):
    """The network as its file gives it: normalised pixels, sigmoid, distances from the corners of cells.

    Outputs are per grid ``[B, cells, 1]``, ``[B, cells, 4]`` and ``[B, cells, 10]``, as those of SCRFD.
    """

    def __init__(self, network: DetectorNet) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        for head in self.network.heads:
            bias_of(head.place[1]).add_(CORNER)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Take ``[B, 3, H, W]``, BGR, ``(x - 127.5) / 128``."""
        found = []
        for score, place in self.network.grids_of(pixels):
            flat = place.flatten(1, 2)
            found += [score.flatten(1, 2).sigmoid(), flat[..., :BOX], flat[..., BOX:]]
        return found


def write_onnx(network: DetectorNet, path: Path) -> float:
    """Write the file; return the largest difference of its outputs from the network's.

    Raises:
        ModelError: the file and the network differ.
        OutputError: the file cannot be written.
    """
    model = Exported(network).eval()
    names = [f"{kind}_{stride}" for stride in STRIDES for kind in ("score", "box", "points")]
    axes = {"image": {0: "batch", 2: "height", 3: "width"}} | {name: {0: "batch", 1: "cells"} for name in names}
    pending = Pending(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the exporter that keeps the names
            torch.onnx.export(
                model,
                (torch.zeros(1, 3, 128, 192),),
                str(pending.temp),
                input_names=["image"],
                output_names=names,
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,
            )
        _shorten(pending.temp, names)
        worst = _difference(network, pending.temp, names)
        if not worst <= _TOLERANCE:
            raise ModelError(f"{path}: the exported detector differs from the network by {worst:.2g}; report this")
        pending.commit()
    finally:
        pending.discard()
    return worst


def _shorten(path: Path, outputs: list[str]) -> None:
    """Rename inner values to numbers, state the outputs' columns, and drop the traces of Python code."""
    model = onnx.load(str(path))
    graph = model.graph
    del graph.value_info[:]
    kept = {"image", *outputs, ""}
    short: dict[str, str] = {}

    def renamed(name: str) -> str:
        return name if name in kept else short.setdefault(name, f"{len(short):x}")

    for node in graph.node:
        node.ClearField("doc_string")
        node.ClearField("name")
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    for initializer in graph.initializer:
        initializer.name = renamed(initializer.name)
    for value, columns in zip(graph.output, (1, BOX, POINTS) * len(STRIDES), strict=True):
        value.type.tensor_type.shape.dim[2].dim_value = columns
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _difference(network: DetectorNet, path: Path, names: list[str]) -> float:
    """Largest difference of a file's outputs from the network's, whose places begin at cell centres."""
    import onnxruntime

    picture = np.random.default_rng(0).integers(0, 256, (2, 3, 192, 128)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = iter(session.run(names, {"image": (picture - 127.5) / 128}))
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(picture))
    worst = 0.0
    for score, place in expected:
        numbers = place.flatten(1, 2) + CORNER
        for part in (score.flatten(1, 2).sigmoid(), numbers[..., :BOX], numbers[..., BOX:]):
            worst = max(worst, float(np.abs(next(found) - part.numpy()).max()))
    return worst
