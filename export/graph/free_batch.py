"""Freeing the batch of an ONNX file that was exported with a fixed one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from export.graph.onnx_file import ImageInput, open_unchanged, random_images
from hpe_edge.errors import ModelError

_TOLERANCE = 1e-3  # of the largest output


def free_batch(path: Path, model: ModelProto, image: ImageInput) -> None:
    """Make the batch dynamic, in place; a graph whose batch is dynamic stays as it is.

    Exporters write the batch into the shapes that Reshape reads; there it becomes 0, a copy of the axis. The graph must
    then give two images together what it gives each alone.

    Raises:
        ModelError: it does not.
    """
    if image.batch is None:
        return
    rng = np.random.default_rng(0)
    pictures = random_images(image, 2 * image.batch, rng)
    session = open_unchanged(path, model)
    names = [output.name for output in session.get_outputs()]
    halves = [session.run(names, {image.name: half}) for half in np.split(pictures, 2)]
    _free_shapes(model, image.batch)
    for given in (*model.graph.input, *model.graph.output):
        dims = given.type.tensor_type.shape.dim
        if dims and dims[0].dim_value == image.batch:
            dims[0].dim_param = "N"
    del model.graph.value_info[:]
    refused = ModelError(
        f"{path} has its batch of {image.batch} in the graph, not only in its shapes; export it with a dynamic batch"
    )
    try:
        together = open_unchanged(path, model).run(names, {image.name: pictures})
    except Exception:  # ONNX Runtime's errors share no base class
        raise refused from None
    for whole, first, second in zip(together, *halves, strict=True):
        apart = np.concatenate([first, second])
        if apart.shape != whole.shape or np.abs(apart - whole).max() > _TOLERANCE * np.abs(apart).max():
            raise refused


def _free_shapes(model: ModelProto, batch: int) -> None:
    """Replace the batch at the head of the shapes that Reshape reads."""
    constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in model.graph.node if _is_tensor(node)}
    for node in model.graph.node:
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        tensor = constants[node.input[1]]
        shape = numpy_helper.to_array(tensor).copy()
        if shape.size and shape[0] == batch:
            shape[0] = 0
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))


def _is_tensor(node: NodeProto) -> bool:
    return bool(node.op_type == "Constant" and node.attribute[0].name == "value")
