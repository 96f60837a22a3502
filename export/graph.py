"""From a torch module to a clean ONNX graph, and the spec in its metadata."""

from __future__ import annotations

import io
import warnings

import onnx
import onnxsim
import torch
from torch import nn

from hpe_edge.atomic import Pending, output_error
from hpe_edge.errors import ModelError
from hpe_edge.spec import METADATA_KEY, Input, ModelSpec

OPSET = 17  # the newest that TensorRT 8.5, JetPack 5's, reads


def trace(net: nn.Module, input: Input, output: str, batch: int | None) -> onnx.ModelProto:
    """The module as ONNX, as torch's tracing exporter writes it.

    The tracing exporter is asked for by name: it folds BatchNorm into the convolutions and keeps a dynamic batch axis
    without inventing shape arithmetic around it.

    Args:
        net: in eval mode; one input, one output.
        input: the input's name and size.
        output: the output's name.
        batch: the fixed batch, or None for a dynamic axis ``N``.
    """
    image = torch.zeros(batch or 2, 3, input.size, input.size)
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # it warns that it is not the newest exporter
        torch.onnx.export(
            net,
            (image,),
            file,
            input_names=[input.name],
            output_names=[output],
            dynamic_axes=None if batch else {input.name: {0: "N"}, output: {0: "N"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with constants folded and idle nodes taken out, checked by onnx; metadata is not kept.

    Raises:
        ModelError: the simplified graph does not give the same outputs, or is not valid.
    """
    simplified, same = onnxsim.simplify(model)
    if not same:
        raise ModelError("the simplified graph gives other outputs than the exported one; upgrade onnxsim")
    try:
        onnx.checker.check_model(simplified, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ModelError(f"the exported graph is not valid ONNX ({error}); upgrade onnx, onnxsim and torch") from None
    del simplified.metadata_props[:]  # onnxsim's diary of what it did
    return simplified


def save(model: onnx.ModelProto, spec: ModelSpec, pending: Pending) -> None:
    """Put the spec into the model's metadata, in place of an older one, and write the model to ``pending.temp``.

    Raises:
        OutputError: disk full, or another failure of the file system.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**metadata, METADATA_KEY: spec.to_json()})
    try:
        pending.temp.write_bytes(model.SerializeToString())
    except OSError as error:
        raise output_error(pending.path, error) from None
