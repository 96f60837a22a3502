"""From a torch module to a clean ONNX graph, and the spec in its metadata.

torch and onnxsim are imported inside functions: steps that start from an ONNX file need neither.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import onnx

from export.step import write_bytes
from hpe_edge.errors import ModelError
from hpe_edge.spec import METADATA_KEY, Input, ModelSpec
from hpe_edge.util.atomic import Pending

if TYPE_CHECKING:
    from torch import nn

OPSET = 17  # the newest that TensorRT 8.6, JetPack 6.0's, reads


def trace(net: nn.Module, input: Input, outputs: tuple[str, ...], batch: int | None) -> onnx.ModelProto:
    """Export a module to ONNX by torch's tracing exporter.

    Unlike the newer one, it folds BatchNorm into the convolutions and adds no shape arithmetic for a dynamic batch.
    The module is in eval mode; a batch of None is a dynamic axis ``N``.
    """
    import torch

    image = torch.zeros(batch or 2, 3, input.size, input.size)
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # it warns that it is not the newest exporter
        torch.onnx.export(
            net,
            (image,),
            file,
            input_names=[input.name],
            output_names=list(outputs),
            dynamic_axes=None if batch else {name: {0: "N"} for name in (input.name, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and remove unused nodes; the result is checked by onnx and has no metadata.

    Raises:
        ModelError: the simplified graph has other outputs, or is not valid.
    """
    import onnxsim

    try:
        simplified, same = onnxsim.simplify(model)
    except Exception as error:  # its errors share no base class
        raise ModelError(f"the graph cannot be simplified ({error})") from None
    if not same:
        raise ModelError("the simplified graph gives other outputs than the exported one; upgrade onnxsim")
    try:
        onnx.checker.check_model(simplified, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ModelError(f"the exported graph is not valid ONNX ({error}); upgrade onnx, onnxsim and torch") from None
    del simplified.metadata_props[:]  # onnxsim's log
    return simplified


def opset(model: onnx.ModelProto) -> int:
    """The graph's opset of ONNX's own operators."""
    version: int = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return version


def batch(model: onnx.ModelProto) -> int | None:
    """The fixed batch of the graph's input; None for a dynamic one."""
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    return first.dim_value if first.HasField("dim_value") else None


def save(model: onnx.ModelProto, spec: ModelSpec, pending: Pending) -> None:
    """Set the spec in the model's metadata, and write the model to ``pending.temp``.

    Raises:
        OutputError: disk full, or another failure of the file system.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**metadata, METADATA_KEY: spec.to_json()})
    write_bytes(pending, model.SerializeToString())
