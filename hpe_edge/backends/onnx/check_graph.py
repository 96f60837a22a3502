"""Validation of an ONNX graph against the model's spec."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hpe_edge.errors import ModelError
from hpe_edge.files.graph_kind import graph_kind
from hpe_edge.ops.decode import head_columns
from hpe_edge.spec import MAX_BATCH, ModelSpec, is_picture_spec

# Bounds of the buffers where the graph takes any batch; larger calls are split.
DYNAMIC_MAX_BATCH = 8  # on a CPU, whose caches larger batches do not fit
GPU_MAX_BATCH = 64  # smaller batches leave most of a GPU idle
_MAX_BUFFER = 1 << 32  # bytes of the input's or an output's buffer


class GraphTensor(NamedTuple):
    """An input or output of a graph.

    Attributes:
        name: in the graph.
        dtype: NumPy's name where it has the type.
        shape: dynamic dimensions are strings.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


def read_spec(
    text: str | None, path: Path, inputs: Sequence[GraphTensor] = (), outputs: Sequence[GraphTensor] = ()
) -> ModelSpec:
    """Read the spec from a model's metadata.

    Args:
        text: the metadata entry :data:`hpe_edge.spec.METADATA_KEY`; None where it is missing.
        path: names the file in messages.
        inputs, outputs: of the graph, by which a face detector is told from a model without a spec.

    Raises:
        ModelError: it is missing or invalid.
    """
    if text is None:
        detector = graph_kind([given.shape for given in inputs], [(each.name, each.shape) for each in outputs])
        if detector is not None:
            raise ModelError(
                f"{path} is {detector}, a face detector, no head-pose model: give it as --detector (in Python: "
                "detector=), and a head-pose model as --model, or none for the embedded one"
            )
        raise ModelError(
            f"{path} has no hpe_edge spec, so its crop, normalisation and bins are unknown; make a copy that has one: "
            f"hpe-edge export onnx --adopt {shlex.quote(str(path))} --arch NAME (--list shows the names; for any other "
            "network --template prints a spec), or export its checkpoint: hpe-edge export onnx CHECKPOINT"
        )
    if is_picture_spec(text):
        raise ModelError(
            f"{path} is a whole-picture model, which finds the faces itself: open it with hpe_edge.PictureEngine, or "
            "give it as --model to hpe-edge run and serve"
        )
    try:
        return ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def check_graph(
    inputs: Sequence[GraphTensor], outputs: Sequence[GraphTensor], spec: ModelSpec, path: Path
) -> tuple[int | None, dict[str, tuple[int, ...]]]:
    """Check the graph against its spec; return the batch size and the shapes of the outputs.

    Args:
        inputs, outputs: of the graph.
        spec: of the model.
        path: names the file in messages.

    Returns:
        The batch size, None if dynamic; and name -> output shape without the batch axis.

    Raises:
        ModelError: spec and graph disagree.
    """
    if len(inputs) != 1 or inputs[0].name != spec.input.name:
        raise ModelError(
            f"{path}: the spec names the input {spec.input.name!r}, the graph has {[i.name for i in inputs]}"
        )
    shape = inputs[0].shape
    if len(shape) != 4 or list(shape[1:]) != [3, spec.input.size, spec.input.size]:
        raise ModelError(
            f"{path}: the spec wants an input [N, 3, {spec.input.size}, {spec.input.size}], the graph has {list(shape)}"
        )
    if inputs[0].dtype != spec.input.dtype:
        raise ModelError(f"{path}: the spec wants a {spec.input.dtype} input, the graph has {inputs[0].dtype}")
    fixed = shape[0] if isinstance(shape[0], int) else None
    _check_buffer(path, "input", inputs[0], fixed)
    found = {output.name: output for output in outputs}
    columns: dict[str, tuple[int, ...]] = {}
    for name, needed in head_columns(spec).items():
        output = found.get(name)
        if output is None:
            raise ModelError(f"{path}: the spec names the output {name!r}, the graph has {sorted(found)}")
        rest = tuple(d for d in output.shape[1:] if isinstance(d, int))
        if output.dtype != "float32" or not rest or len(rest) < len(output.shape) - 1:
            raise ModelError(
                f"{path}: output {name!r} must be float32 [N, columns], got {output.dtype} {list(output.shape)}"
            )
        rows = output.shape[0]
        if (rows if isinstance(rows, int) else None) != fixed:
            raise ModelError(f"{path}: the input takes batches of {shape[0]}, but output {name!r} gives {rows}")
        if math.prod(rest) < needed:
            raise ModelError(
                f"{path}: the decode reads {needed} columns of output {name!r}, which is {list(output.shape)}"
            )
        _check_buffer(path, f"output {name!r}", output, fixed)
        columns[name] = rest
    return fixed, columns


def _check_buffer(path: Path, what: str, tensor: GraphTensor, fixed: int | None) -> None:
    """Refuse a buffer that no memory would hold.

    Raises:
        ModelError: its batch or its size is too large.
    """
    if fixed is not None and not 1 <= fixed <= MAX_BATCH:
        raise ModelError(
            f"{path}: the graph takes batches of {fixed} alone; 1 to {MAX_BATCH} are possible: export the model "
            "again, with a dynamic batch or a smaller one"
        )
    size = (fixed or GPU_MAX_BATCH) * math.prod(side for side in tensor.shape[1:] if isinstance(side, int)) * 4
    if size > _MAX_BUFFER:
        raise ModelError(
            f"{path}: the {what} {list(tensor.shape)} would take {size / 1e9:.0f} GB, {_MAX_BUFFER / 1e9:.0f} are "
            "possible: export the model again, with a smaller batch"
        )
