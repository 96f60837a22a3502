"""The two networks as one ONNX file of two unconnected parts; :mod:`hpe_edge.picture.split_file` takes it apart."""

from __future__ import annotations

import io
import warnings

import onnx
import torch
from onnx import compose, helper
from torch import nn

from export.graph.trace import OPSET, simplify
from export.picture.img2pose_net import BINS, CHANNELS, Heads, Pyramid
from hpe_edge.picture.split_file import FIRST_OUTPUTS, LEVELS, PICTURE, POOLED, SECOND, SECOND_OUTPUTS

Axes = dict[str, dict[int, str]]


def to_onnx(pyramid: Pyramid, heads: Heads) -> onnx.ModelProto:
    """Export both networks: a picture of any size, and any number of regions.

    Raises:
        ModelError: a graph cannot be simplified.
    """
    axes: Axes = {PICTURE: {2: "H", 3: "W"}, "logits": {0: "A"}, "shifts": {0: "A"}}
    axes |= {name: {0: f"rows{name}", 1: f"columns{name}"} for name in LEVELS}
    first = _traced(pyramid, torch.zeros(1, 3, 64, 96), PICTURE, FIRST_OUTPUTS, axes)
    pooled, *outputs = (name.removeprefix(SECOND) for name in (POOLED, *SECOND_OUTPUTS))
    axes = {name: {0: "N"} for name in (pooled, *outputs)}
    second = _traced(heads, torch.zeros(2, BINS, BINS, CHANNELS), pooled, tuple(outputs), axes)
    second = compose.add_prefix(second, SECOND)
    graphs = (first.graph, second.graph)
    joined = helper.make_graph(
        [node for graph in graphs for node in graph.node],
        "picture",
        [each for graph in graphs for each in graph.input],
        [each for graph in graphs for each in graph.output],
        [each for graph in graphs for each in graph.initializer],
    )
    model = helper.make_model(joined, opset_imports=first.opset_import, producer_name=first.producer_name)
    model.producer_version, model.ir_version = first.producer_version, first.ir_version
    onnx.checker.check_model(model)
    return model


def _traced(net: nn.Module, given: torch.Tensor, name: str, outputs: tuple[str, ...], axes: Axes) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # it warns that it is not the newest exporter
        torch.onnx.export(
            net,
            (given,),
            file,
            input_names=[name],
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return simplify(onnx.load_from_string(file.getvalue()))
