"""Layers of a TensorRT engine compared with those of its ONNX file in ONNX Runtime.

The engine is built once more, in the same precision and with every layer's output as an output. That keeps TensorRT
from fusing across them, so the kernels need not be those of the engine itself; the accuracy gate compares that one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export.graph.onnx_file import open_unchanged
from export.inspection.drift import Drift, drift_table, layer_drifts
from export.inspection.marked_graph import layer_outputs, with_outputs
from export.step import Reporter
from hpe_edge.errors import ModelError

RunLayers = Callable[[ModelProto, NDArray[Any]], dict[str, NDArray[Any]]]
"""From a graph of marked layers and faces to all outputs by name."""


def compare_layers(
    path: Path,
    model: ModelProto,
    built: ModelProto,
    faces: NDArray[Any],
    run: RunLayers,
    tolerance: float,
    report: Reporter,
) -> list[Drift]:
    """Compare the layers of an engine with ONNX Runtime's, without its optimisations, and report them.

    Args:
        path: names the model in messages.
        model: the graph as it is in the file.
        built: the same graph as the engine is built of it; layers are matched by their names.
        faces: the network's input ``[N, 3, size, size]``.
        run: builds and runs the engine.
        tolerance: drift that is reported, see :mod:`export.inspection.drift`.
        report: takes the table.

    Returns:
        The drifts in the order of the graph.

    Raises:
        ModelError: the graphs have no layer in common, or the file does not run in ONNX Runtime.
        BackendError: TensorRT failed.
    """
    computed, there = layer_outputs(model), layer_outputs(built)
    pairs = {tensor: there[layer] for layer, tensor in computed.items() if layer in there}
    if not pairs:
        raise ModelError(f"{path} has no layer that is also in the engine's graph; leave --compare-layers out")
    reference = outputs_by_onnx_runtime(path, with_outputs(model, pairs), faces)
    values = run(with_outputs(built, pairs.values()), faces)
    drifts = layer_drifts(model, reference, {tensor: values[other] for tensor, other in pairs.items()})
    report(
        "layers",
        [
            f"{len(pairs)} of {len(computed)} compared with ONNX Runtime on {len(faces)} faces; as outputs they are "
            "not fused, unlike in the engine",
            *drift_table(drifts, tolerance),
        ],
    )
    return drifts


def outputs_by_onnx_runtime(path: Path, model: ModelProto, faces: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """All outputs of a graph in ONNX Runtime, without optimisation.

    Raises:
        ModelError: it does not run there.
    """
    session = open_unchanged(path, model)
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {session.get_inputs()[0].name: faces})
    return dict(zip(names, map(np.asarray, values), strict=True))
