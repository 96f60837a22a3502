"""ONNX files of any origin: reading with all weights, the image input, running in ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto

from export.gate.gate import Runner
from hpe_edge.backends.onnx.sound_file import check_file
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.spec import ModelSpec, Precision

DTYPES: dict[int, Literal["float32", "float16"]] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
}
_PICTURES = 5  # random images; hardly any other axis has this length


@dataclass(frozen=True)
class ImageInput:
    """The input: name, dtype and shape ``[batch, 3, size, size]``; a batch of None is dynamic."""

    name: str
    dtype: Literal["float32", "float16"]
    batch: int | None
    size: int


def read_onnx(path: Path) -> tuple[ModelProto, str]:
    """The model with its nodes sorted, and the SHA-256 of the file.

    With external weights, the sum is that of the model as a single file.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it cannot be read, is no valid ONNX model, or weights are missing.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path} to adopt; check the name")
    check_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's errors come from its C code and have no public base class
        raise ModelError(f"{path} cannot be read as an ONNX model; it may be truncated ({error})") from None
    if not model.HasField("graph"):
        raise ModelError(f"{path} cannot be read as an ONNX model; it may be truncated (there is no graph in it)")
    alone = model.SerializeToString()
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (onnx.checker.ValidationError, OSError, ValueError) as error:
        raise ModelError(f"{path} keeps its weights in other files, which cannot be read ({error})") from None
    whole = model.SerializeToString()
    sort_nodes(model.graph)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ModelError(f"{path} is not valid ONNX ({' '.join(str(error).split())})") from None
    return model, hashlib.sha256(data if whole == alone else whole).hexdigest()


def fix_image_input(path: Path, model: ModelProto, size: int) -> ImageInput:
    """The image input; fixes a dynamic height and width in the model, and names a dynamic batch.

    Raises:
        ModelError: there is another input, or it is not float ``[N, 3, size, size]``.
    """
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    if len(inputs) != 1:
        raise ModelError(f"{path} has the inputs {[given.name for given in inputs]}; one image tensor is expected")
    name, kind = inputs[0].name, inputs[0].type.tensor_type
    wanted = f"float32 or float16 [N, 3, {size}, {size}]"
    if kind.elem_type not in DTYPES:
        raise ModelError(
            f"{path}: the input {name!r} is {onnx.TensorProto.DataType.Name(kind.elem_type)}, not {wanted}"
        )
    dims = kind.shape.dim
    # Some converters write 0 or -1 for an axis of any length.
    shape = [dim.dim_value if dim.dim_value > 0 else None for dim in dims]
    if len(shape) == 4 and shape[3] == 3:
        raise ModelError(f"{path}: the input is {shape}, channels last; {wanted} is needed: transpose it in the graph")
    if len(shape) != 4 or any(side not in (want, None) for side, want in zip(shape[1:], (3, size, size), strict=True)):
        raise ModelError(f"{path}: the input {name!r} is {shape}, not {wanted}; is it of that family?")
    for dim, side in zip(dims[1:], (3, size, size), strict=True):
        dim.dim_value = side
    if shape[0] is None:
        dims[0].dim_param = dims[0].dim_param or "N"
    return ImageInput(name, DTYPES[kind.elem_type], shape[0], size)


def open_unchanged(path: Path, model: ModelProto) -> onnxruntime.InferenceSession:
    """Open the model in ONNX Runtime without graph optimisation.

    Raises:
        ModelError: it does not run there.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"{path} does not run in ONNX Runtime ({error})") from None


def run_random(path: Path, session: onnxruntime.InferenceSession, image: ImageInput) -> dict[str, NDArray[Any]]:
    """Run a few random images; the outputs with one row per image, by name.

    Raises:
        ModelError: it does not run.
    """
    batch = image.batch or _PICTURES
    rng = np.random.default_rng(0)
    names = [output.name for output in session.get_outputs()]
    results: list[list[Any]] = []
    try:
        for _ in range(0, _PICTURES, batch):
            noise = rng.standard_normal((batch, 3, image.size, image.size), np.float32)
            results.append(session.run(names, {image.name: noise.astype(image.dtype, copy=False)}))
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"{path} does not run on {batch} picture(s) of {image.size} pixels ({error})") from None
    return {
        name: np.concatenate(arrays)
        for name, arrays in zip(names, zip(*results, strict=True), strict=True)
        if all(isinstance(array, np.ndarray) and array.ndim >= 2 and len(array) == batch for array in arrays)
    }


def session_runner(session: onnxruntime.InferenceSession, spec: ModelSpec, batch: int) -> Runner:
    """A runner of ``batch`` crops at a time; the last batch is padded with zeros."""

    def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        parts: list[list[NDArray[np.float32]]] = []
        for at in range(0, len(crops), batch):
            rows = crops[at : at + batch]
            padded = np.concatenate([rows, np.zeros_like(rows[:1]).repeat(batch - len(rows), axis=0)])
            parts.append([out[: len(rows)] for out in session.run(list(spec.outputs), {spec.input.name: padded})])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    return run


def graph_precision(model: ModelProto) -> Precision:
    """The precision of a graph.

    FP16 enters a graph as a Cast, a weight or its input, INT8 as DequantizeLinear.
    """
    graph = model.graph
    int8 = any(node.op_type == "DequantizeLinear" for node in graph.node)
    half = any(each.data_type == onnx.TensorProto.FLOAT16 for each in graph.initializer)
    half |= any(each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16 for each in graph.input)
    half |= any(
        node.op_type == "Cast" and onnx.helper.get_node_attr_value(node, "to") == onnx.TensorProto.FLOAT16
        for node in graph.node
    )
    if int8:
        return "int8+fp16" if half else "int8"
    return "fp16" if half else "fp32"


def sort_nodes(graph: GraphProto) -> None:
    """Sort nodes topologically, otherwise in their order: float16 converters append theirs at the end.

    A graph with a cycle stays as it is; onnx's checker reports it.
    """
    nodes = list(graph.node)
    maker = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    waits = [{maker[name] for name in _reads(node) if name in maker} for node in nodes]
    readers = defaultdict(list)
    for at, makers in enumerate(waits):
        for each in makers:
            readers[each].append(at)
    ready = [at for at, makers in enumerate(waits) if not makers]
    order: list[int] = []
    while ready:
        at = heappop(ready)
        order.append(at)
        for reader in readers[at]:
            waits[reader].remove(at)
            if not waits[reader]:
                heappush(ready, reader)
    if len(order) == len(nodes):
        del graph.node[:]
        graph.node.extend(nodes[at] for at in order)


def _reads(node: NodeProto) -> Iterator[str]:
    """The names that a node reads, subgraphs included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)
