"""Count what one run of an ONNX graph computes and moves, from its shapes.

``python -m tools.graph_cost MODEL.onnx`` prints the whole and each kind of layer as JSON.

Operations are counted as two for each multiply-add of convolutions and matrix products. Additions, activations and
pooling are left out, as in the published figures; they are some percent of that.

Bytes are counted as if each layer read its input and its weights once and wrote its result once. A layer is a
convolution, matrix product or pooling with all pointwise operations behind it (activations, additions, rounding), which
libraries fuse into it. INT8 values behind Q/DQ pairs count one byte each. This is a lower bound between layers: most
libraries move more, because tiles overlap and layouts change.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpe_edge.errors import BackendError, ModelError
from hpe_edge.util.shell import CommandParser, run_in_shell

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Operations that libraries fuse with the layer before.
_POINTWISE_NAMES = (
    "Add BatchNormalization Cast Clip Div Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Mul Neg PRelu Pow "
    "QuantizeLinear DequantizeLinear Reciprocal Relu Sigmoid Softplus Softsign Sqrt Sub Tanh"
)
_POINTWISE = frozenset(_POINTWISE_NAMES.split())
# Views: nothing is moved.
_VIEWS = frozenset({"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


@dataclass(frozen=True)
class LayerCost:
    """One layer.

    Attributes:
        name: of its first node.
        kind: the operation with its kernel, such as ``"Conv 3x3, depthwise"``.
        macs: multiply-adds.
        int8: True for 8-bit multiply-adds.
        weight_bytes, activation_bytes: moved.
    """

    name: str
    kind: str
    macs: int
    int8: bool
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class GraphCost:
    """A graph's layers for one batch."""

    batch: int
    layers: tuple[LayerCost, ...]

    @property
    def macs(self) -> int:
        """Multiply-adds of a run."""
        return sum(layer.macs for layer in self.layers)

    @property
    def int8_macs(self) -> int:
        """8-bit multiply-adds of a run."""
        return sum(layer.macs for layer in self.layers if layer.int8)

    @property
    def flops(self) -> int:
        """Operations of a run."""
        return 2 * self.macs

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights read in a run."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Bytes of activations read and written in a run."""
        return sum(layer.activation_bytes for layer in self.layers)

    @property
    def bytes(self) -> int:
        """All bytes moved in a run."""
        return self.weight_bytes + self.activation_bytes

    def by_kind(self) -> dict[str, GraphCost]:
        """The layers of each kind, the most costly first."""
        kinds: dict[str, list[LayerCost]] = defaultdict(list)
        for layer in self.layers:
            kinds[layer.kind].append(layer)
        costs = {kind: GraphCost(self.batch, tuple(layers)) for kind, layers in kinds.items()}
        return dict(sorted(costs.items(), key=lambda item: (-item[1].macs, -item[1].bytes)))


def read_cost(path: Path, batch: int, float_bytes: int = 4) -> GraphCost:
    """The cost of a file's graph.

    Args:
        path: an ONNX file.
        batch: faces in a run; a graph that fixes another number is taken at that.
        float_bytes: size of a floating-point number in the runtime.

    Raises:
        BackendError: the onnx package is missing.
        ModelError: the file is not ONNX, or a shape of the graph cannot be inferred from its input.
    """
    try:
        import onnx
    except ImportError:
        raise BackendError(
            "the roofline reads graphs with the onnx package, which is not installed: pip install onnx"
        ) from None
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's errors come from its C code and have no public base class
        raise ModelError(f"{path} cannot be read as an ONNX model ({error}); export it again") from None
    return graph_cost(model, batch, float_bytes)


def graph_cost(model: ModelProto, batch: int, float_bytes: int = 4) -> GraphCost:
    """The cost of a graph with one input; see :func:`read_cost`."""
    graph = _Graph(model, batch, float_bytes)
    return GraphCost(graph.batch, tuple(graph.layers()))


class _Graph:
    """The graph with every tensor's shape, and its nodes gathered into layers."""

    def __init__(self, model: ModelProto, batch: int, float_bytes: int) -> None:
        self._model, self._float_bytes = model, float_bytes
        self.batch, self._shapes, self._types = _inferred(model, batch)
        self._nodes = list(model.graph.node)
        self._constants = _constants(model)
        self._producer = {name: at for at, node in enumerate(self._nodes) for name in node.output}
        self._alias = {node.output[0]: node.input[0] for node in self._nodes if node.op_type in _VIEWS | {_DEQUANTIZE}}
        self._layer_of: dict[int, int] = {}

    def layers(self) -> Iterator[LayerCost]:
        members: dict[int, list[int]] = defaultdict(list)
        for at, node in enumerate(self._nodes):
            if all(name in self._constants for name in node.output) or node.op_type in _VIEWS | {_DEQUANTIZE}:
                continue
            self._layer_of[at] = layer = self._joined(node, at)
            members[layer].append(at)
        read_by = self._readers()
        for first, inside in members.items():
            yield self._cost(first, set(inside), read_by)

    def _joined(self, node: NodeProto, at: int) -> int:
        """The first node of a node's layer; pointwise nodes join the latest layer that they read."""
        if node.op_type in _POINTWISE:
            sources = [self._producer[name] for name in self._read(node) if name in self._producer]
            if sources:
                return self._layer_of[max(sources)]
        return at

    def _read(self, node: NodeProto) -> list[str]:
        """The stored activations that a node reads."""
        return [self._stored(name) for name in node.input if name and name not in self._constants]

    def _stored(self, name: str) -> str:
        """The stored tensor behind a view or a DequantizeLinear."""
        while name in self._alias and name not in self._constants:
            name = self._alias[name]
        return name

    def _readers(self) -> Mapping[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for at in self._layer_of:
            for name in self._read(self._nodes[at]):
                found[name].add(at)
        for output in self._model.graph.output:
            found[self._stored(output.name)].add(-1)
        return found

    def _cost(self, first: int, inside: set[int], read_by: Mapping[str, set[int]]) -> LayerCost:
        nodes = [self._nodes[at] for at in sorted(inside)]
        made = {name for node in nodes for name in node.output}
        read = {name for node in nodes for name in self._read(node)} - made
        written = {name for name in made if read_by.get(name, set()) - inside}
        weights = {self._weight(name) for node in nodes for name in node.input if name in self._constants}
        main = self._nodes[first]
        return LayerCost(
            name=main.name or main.output[0],
            kind=self._kind(main),
            macs=sum(self._macs(node) for node in nodes),
            int8=self._is_int8(main),
            weight_bytes=sum(map(self._bytes, weights)),
            activation_bytes=sum(map(self._bytes, sorted(read | written))),
        )

    def _weight(self, name: str) -> str:
        """A weight as stored by a library: the INT8 one of a chain float -> INT8 -> float."""
        at = self._producer.get(name)
        return self._nodes[at].input[0] if at is not None and self._nodes[at].op_type == _DEQUANTIZE else name

    def _is_int8(self, node: NodeProto) -> bool:
        def dequantized(name: str) -> bool:
            at = self._producer.get(name)
            return at is not None and self._nodes[at].op_type == _DEQUANTIZE

        return len(node.input) > 1 and all(map(dequantized, node.input[:2]))

    def _bytes(self, name: str) -> int:
        from onnx import TensorProto, helper

        kind = self._types[name]
        one = self._float_bytes if kind == TensorProto.FLOAT else helper.tensor_dtype_to_np_dtype(kind).itemsize
        return math.prod(self._shape(name)) * one

    def _shape(self, name: str) -> tuple[int, ...]:
        shape = self._shapes.get(name)
        if shape is None:
            raise ModelError(
                f"the shape of {name!r} cannot be inferred from the graph's input, so its cost cannot be counted; "
                "export the model again with hpe-edge export onnx, which simplifies the graph"
            )
        return shape

    def _macs(self, node: NodeProto) -> int:
        if node.op_type == "Conv":
            return math.prod(self._shape(node.output[0])) * math.prod(self._shape(node.input[1])[1:])
        if node.op_type == "ConvTranspose":
            return math.prod(self._shape(node.input[0])) * math.prod(self._shape(node.input[1])[1:])
        if node.op_type == "MatMul":
            return math.prod(self._shape(node.output[0])) * self._shape(node.input[0])[-1]
        if node.op_type == "Gemm":
            transposed = _attribute(node, "transA", 0)
            return math.prod(self._shape(node.output[0])) * self._shape(node.input[0])[0 if transposed else 1]
        return 0

    def _kind(self, node: NodeProto) -> str:
        if node.op_type not in ("Conv", "ConvTranspose"):
            return str(node.op_type)
        channels, kernel = self._shape(node.input[1])[1], self._shape(node.input[1])[2:]
        groups = _attribute(node, "group", 1)
        grouping = "" if groups == 1 else ", depthwise" if channels == 1 else ", grouped"
        return f"{node.op_type} {'x'.join(map(str, kernel))}{grouping}"


def _attribute(node: NodeProto, name: str, default: int) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), default)


def _constants(model: ModelProto) -> set[str]:
    """Names of weights, and of tensors computed from weights alone."""
    known = {weight.name for weight in model.graph.initializer}
    for node in model.graph.node:
        if all(name in known for name in node.input if name):
            known.update(node.output)
    return known


def _inferred(model: ModelProto, batch: int) -> tuple[int, dict[str, tuple[int, ...]], dict[str, int]]:
    """The batch, each tensor's shape where it is known, and its ONNX type."""
    from onnx import ModelProto, shape_inference

    sized = ModelProto()
    sized.CopyFrom(model)
    graph = sized.graph
    del graph.value_info[:]
    first = graph.input[0].type.tensor_type.shape.dim[0]
    if not first.HasField("dim_value"):
        first.dim_value = batch
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    graph = shape_inference.infer_shapes(sized, data_prop=True).graph
    shapes: dict[str, tuple[int, ...]] = {}
    types: dict[str, int] = {}
    value: Any
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        dims = tensor.shape.dim
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    for weight in graph.initializer:
        shapes[weight.name], types[weight.name] = tuple(weight.dims), weight.data_type
    return first.dim_value, shapes, types


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = CommandParser(prog="python -m tools.graph_cost", description="Count what a graph computes and moves.")
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="faces in a run; default 1")
    parser.add_argument("--float-bytes", type=int, choices=(2, 4), default=4, help="of a floating-point number")

    def command() -> None:
        args = parser.parse_args(argv)
        cost = read_cost(args.model, args.batch, args.float_bytes)
        sums = ("macs", "int8_macs", "weight_bytes", "activation_bytes")
        totals = {
            kind: {"batch": part.batch, "layers": len(part.layers), **{name: getattr(part, name) for name in sums}}
            for kind, part in {"all": cost, **cost.by_kind()}.items()
        }
        print(json.dumps(totals, indent=2))

    return run_in_shell("tools.graph_cost", command)


if __name__ == "__main__":
    raise SystemExit(main())
