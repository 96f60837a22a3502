"""What a session says of its model, held against the model's spec."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from hpe_edge.errors import ModelError
from hpe_edge.ops import head_columns
from hpe_edge.spec import METADATA_KEY, ModelSpec

_ELEMENT = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


def read_spec(session: onnxruntime.InferenceSession, path: Path) -> ModelSpec:
    """The spec in a model's metadata.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelError(
            f"{path} carries no hpe_edge spec, so its crop, normalisation and bins are unknown; export it from its "
            f"checkpoint: python -m export.onnx CHECKPOINT -o {path.name}"
        )
    try:
        return ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def check_graph(
    session: onnxruntime.InferenceSession, spec: ModelSpec, path: Path
) -> tuple[int | None, dict[str, tuple[int, ...]]]:
    """What the spec leaves to the graph.

    Returns:
        The batch, None where it is dynamic, and each output's shape after it.

    Raises:
        ModelError: spec and graph disagree.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].name != spec.input.name:
        raise ModelError(
            f"{path}: the spec names the input {spec.input.name!r}, the graph has {[i.name for i in inputs]}"
        )
    shape = inputs[0].shape
    if len(shape) != 4 or list(shape[1:]) != [3, spec.input.size, spec.input.size]:
        raise ModelError(
            f"{path}: the spec wants an input [N, 3, {spec.input.size}, {spec.input.size}], the graph has {shape}"
        )
    if _ELEMENT.get(inputs[0].type) != np.dtype(spec.input.dtype):
        raise ModelError(f"{path}: the spec wants a {spec.input.dtype} input, the graph has {inputs[0].type}")
    fixed = shape[0] if isinstance(shape[0], int) else None
    found = {output.name: output for output in session.get_outputs()}
    columns: dict[str, tuple[int, ...]] = {}
    for name, needed in head_columns(spec).items():
        output = found.get(name)
        if output is None:
            raise ModelError(f"{path}: the spec names the output {name!r}, the graph has {sorted(found)}")
        rest = output.shape[1:]
        if output.type != "tensor(float)" or not rest or not all(isinstance(d, int) for d in rest):
            raise ModelError(f"{path}: output {name!r} must be float32 [N, columns], got {output.type} {output.shape}")
        rows = output.shape[0]
        if (rows if isinstance(rows, int) else None) != fixed:
            raise ModelError(f"{path}: the input takes batches of {shape[0]}, but output {name!r} gives {rows}")
        if int(np.prod(rest)) < needed:
            raise ModelError(f"{path}: the decode reads {needed} columns of output {name!r}, which is {output.shape}")
        columns[name] = tuple(rest)
    return fixed, columns
