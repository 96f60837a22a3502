"""ONNX files of any origin: reading with all weights, the image input, running in ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto

from export.gate.gate import Runner
from hpe_edge.backends.onnx.ir_version import newest_ir_version
from hpe_edge.backends.onnx.sound_file import check_file
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.files.other_file import refuse_other_file
from hpe_edge.spec import ModelSpec, Precision

Dtype: TypeAlias = Literal["float32", "float16", "uint8"]
DTYPES: dict[int, Dtype] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.UINT8: "uint8",
}
_PICTURES = 5  # random images; hardly any other axis has this length


@dataclass(frozen=True)
class ImageInput:
    """The input.

    Attributes:
        name, dtype: in the graph.
        batch: None is dynamic.
        size: height and width.
        channels: 3, or 1 for grey.
        channels_last: the shape is ``[batch, size, size, channels]``, else ``[batch, channels, size, size]``.
    """

    name: str
    dtype: Dtype
    batch: int | None
    size: int
    channels: int = 3
    channels_last: bool = False

    def shape(self, batch: int) -> tuple[int, ...]:
        """The shape for a batch."""
        if self.channels_last:
            return (batch, self.size, self.size, self.channels)
        return (batch, self.channels, self.size, self.size)

    @property
    def is_plain(self) -> bool:
        """True for the layout of a model's spec: three channels, channels first."""
        return self.channels == 3 and not self.channels_last


def read_onnx(path: Path) -> tuple[ModelProto, str]:
    """The model with its nodes sorted, and the SHA-256 of the file.

    With external weights, the sum is that of the model as a single file.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it cannot be read, is no valid ONNX model, or weights are missing.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path} to adopt; check the name")
    refuse_other_file(path, "adopt")
    check_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's errors come from its C code and have no public base class
        raise ModelError(f"{path} cannot be read as an ONNX model; it may be truncated ({error})") from None
    _lower_ir(model)
    if not model.HasField("graph"):
        raise ModelError(f"{path} cannot be read as an ONNX model; it may be truncated (there is no graph in it)")
    _refuse_fused(path, model)
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


def _lower_ir(model: ModelProto) -> None:
    """Lower the version of the file format to the newest that the installed ONNX Runtime reads.

    Versions differ in what a file may hold, which ONNX Runtime checks itself; the operators' version stays.
    """
    model.ir_version = min(model.ir_version, newest_ir_version())


def _refuse_fused(path: Path, model: ModelProto) -> None:
    """Refuse operators that only ONNX Runtime has: no later step and no other runtime reads them.

    Raises:
        ModelError: there are some.
    """
    defined = {function.domain for function in model.functions}
    domains = {node.domain for node in model.graph.node} - defined - {"", "ai.onnx", "ai.onnx.ml"}
    own = sorted({node.op_type for node in model.graph.node if node.domain in domains})
    if any(domain.startswith("com.microsoft") for domain in domains):
        raise ModelError(
            f"{path} was saved after ONNX Runtime had optimised it, with operators of its own ({', '.join(own)}), "
            "which no other runtime and no further step reads; name the file from before, or export the network again"
        )
    if own:
        raise ModelError(
            f"{path} holds operators that are not ONNX's ({', '.join(own)} of {', '.join(sorted(domains))}); export "
            "the network with ONNX's own"
        )


def fix_image_input(path: Path, model: ModelProto, size: int) -> ImageInput:
    """The image input; fixes a dynamic height and width in the model, and names a dynamic batch.

    Channels may be three or one, and come before or after height and width.

    Raises:
        ModelError: there is another input, or it is not a square picture of that size.
    """
    given = the_input(path, model)
    name, kind = given.name, given.type.tensor_type
    wanted = f"float32, float16 or uint8 [N, 3, {size}, {size}] or [N, {size}, {size}, 3], or with 1 channel"
    if kind.elem_type not in DTYPES:
        raise ModelError(
            f"{path}: the input {name!r} is {onnx.TensorProto.DataType.Name(kind.elem_type)}, not {wanted}"
        )
    dims = kind.shape.dim
    # Some converters write 0 or -1 for an axis of any length.
    shape = [dim.dim_value if dim.dim_value > 0 else None for dim in dims]
    layouts = [(3, False), (3, True), (1, False), (1, True)]
    for channels, last in layouts:
        image = ImageInput(name, DTYPES[kind.elem_type], shape[0] if shape else None, size, channels, last)
        sides = image.shape(1)[1:]
        if len(shape) == 4 and all(side in (want, None) for side, want in zip(shape[1:], sides, strict=True)):
            break
    else:
        raise ModelError(f"{path}: the input {name!r} is {shape}, not {wanted}; is it of that family?")
    for dim, side in zip(dims[1:], sides, strict=True):
        dim.dim_value = side
    if shape[0] is None:
        dims[0].dim_param = dims[0].dim_param or "N"
    return image


def the_input(path: Path, model: ModelProto) -> onnx.ValueInfoProto:
    """The one input that is no weight.

    Raises:
        ModelError: there are several, or none.
    """
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    if len(inputs) != 1:
        raise ModelError(f"{path} has the inputs {[given.name for given in inputs]}; one image tensor is expected")
    return inputs[0]


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


def shape_of(given: onnx.ValueInfoProto) -> tuple[int | str | None, ...]:
    """The stated shape of an input or output; open sides by their name, or None."""
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
        for dim in given.type.tensor_type.shape.dim
    )


def run_random(path: Path, session: onnxruntime.InferenceSession, image: ImageInput) -> dict[str, NDArray[Any]]:
    """Run a few random images; the outputs with one row per image, by name. Rows may be single numbers.

    Raises:
        ModelError: it does not run.
    """
    batch = image.batch or _PICTURES
    rng = np.random.default_rng(0)
    names = [output.name for output in session.get_outputs()]
    results: list[list[Any]] = []
    try:
        for _ in range(0, _PICTURES, batch):
            results.append(session.run(names, {image.name: random_images(image, batch, rng)}))
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"{path} does not run on {batch} picture(s) of {image.size} pixels ({error})") from None
    return {
        name: np.concatenate(arrays)
        for name, arrays in zip(names, zip(*results, strict=True), strict=True)
        if all(isinstance(array, np.ndarray) and array.ndim >= 1 and len(array) == batch for array in arrays)
    }


def random_images(image: ImageInput, batch: int, rng: np.random.Generator) -> NDArray[Any]:
    """Noise for the input: normal numbers, or levels."""
    if image.dtype == "uint8":
        return rng.integers(0, 256, image.shape(batch), np.uint8)
    return rng.standard_normal(image.shape(batch), np.float32).astype(image.dtype, copy=False)


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


def weight_count(model: ModelProto) -> int:
    """Number of a graph's floating-point and INT8 constants."""
    tensors = [*model.graph.initializer]
    tensors += [each.t for node in model.graph.node if node.op_type == "Constant" for each in node.attribute]
    kinds = (*DTYPES, onnx.TensorProto.INT8, onnx.TensorProto.DOUBLE)
    return sum(int(np.prod(tensor.dims)) for tensor in tensors if tensor.data_type in kinds)


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
