"""The layers of a graph with weights, and their eligibility for INT8 on TensorRT."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from onnx import ModelProto, NodeProto

from hpe_edge.errors import ModelError

WEIGHTED = ("Conv", "Gemm", "MatMul")
LEAST_CHANNELS = 16  # TensorRT's INT8 convolutions compute 16 at a time; fewer are mostly padding


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product with constant weights.

    Attributes:
        name: the node's.
        kind: ``"Conv"``, ``"Gemm"`` or ``"MatMul"``.
        data, weight: names of its inputs in the graph.
        axis: output axis of the weights.
        why_not: reason to stay in floating point; empty where it may be INT8.
    """

    name: str
    kind: str
    data: str
    weight: str
    axis: int
    why_not: str


@dataclass(frozen=True)
class Shortcut:
    """The other input of an Add after a convolution; TensorRT fuses the Add with that convolution.

    Attributes:
        add: the Add's name.
        layer: the convolution's.
        data: the Add's other input.
    """

    add: str
    layer: str
    data: str


def name_nodes(model: ModelProto) -> None:
    """Give each node a unique name.

    Raises:
        ModelError: a generated name is taken.
    """
    taken: set[str] = set()
    for at, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{at}"
            if node.name in taken:
                raise ModelError(f"two nodes of the graph are called {node.name!r}; export the model again")
        taken.add(node.name)


def layers_of(model: ModelProto) -> list[Layer]:
    """All layers with weights, in the graph's order. The nodes have names."""
    constants = {weight.name: list(weight.dims) for weight in model.graph.initializer}
    heads = {node.name for node in head_nodes(model)}
    layers = []
    for node in model.graph.node:
        if not _is_weighted(node, constants):
            continue
        shape = constants[node.input[1]]
        layers.append(
            Layer(
                node.name,
                node.op_type,
                node.input[0],
                node.input[1],
                _axis(node, shape),
                "the head that outputs the angles" if node.name in heads else _why_not(node, shape),
            )
        )
    return layers


def shortcuts_of(model: ModelProto) -> list[Shortcut]:
    """The Adds that TensorRT fuses with the convolution before them.

    Where both inputs come from convolutions, the shortcut is the one with fewer nodes before it.
    """
    graph = model.graph
    maker = {output: node for node in graph.node for output in node.output}
    constants = {weight.name for weight in graph.initializer}
    readers = readers_of(model)
    outputs = {output.name for output in graph.output}
    depth: dict[str, int] = {}
    for node in graph.node:
        below = max((depth.get(name, 0) for name in node.input), default=0) + 1
        depth.update(dict.fromkeys(node.output, below))
    found = []
    for node in graph.node:
        if (
            node.op_type != "Add"
            or len(set(node.input)) != 2
            or any(_is_constant(n, maker, constants) for n in node.input)
        ):
            continue
        shortcut, main = sorted(node.input, key=lambda name: depth.get(name, 0))
        made = maker.get(main)
        if made is None or made.op_type != "Conv" or len(readers[main]) != 1 or main in outputs:
            continue  # a result with other readers is not fused
        found.append(Shortcut(node.name, made.name, shortcut))
    return found


def unfolded_norms(model: ModelProto) -> list[str]:
    """BatchNorms that could be folded into the layer before them; those after attention, say, cannot."""
    maker = {output: node for node in model.graph.node for output in node.output}
    readers = readers_of(model)
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "BatchNormalization"
        and node.input[0] in maker
        and maker[node.input[0]].op_type in WEIGHTED
        and len(readers[node.input[0]]) == 1
    ]


def head_nodes(model: ModelProto) -> list[NodeProto]:
    """The last layers with weights, and all nodes after them.

    A node belongs to the head where no path to the outputs passes a later layer with weights.
    """
    constants = {weight.name: list(weight.dims) for weight in model.graph.initializer}
    followed: set[str] = set()  # tensors with a later layer with weights
    head = []
    for node in reversed(model.graph.node):
        if not followed.isdisjoint(node.output):
            followed.update(node.input)
            continue
        head.append(node)
        if _is_weighted(node, constants):
            followed.update(node.input)
    return head[::-1]


def readers_of(model: ModelProto) -> dict[str, list[NodeProto]]:
    """The nodes that read a tensor, by its name."""
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in dict.fromkeys(node.input):
            readers[name].append(node)
    return readers


def _is_weighted(node: NodeProto, constants: dict[str, list[int]]) -> bool:
    return node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in constants


def _is_constant(name: str, maker: dict[str, NodeProto], constants: set[str]) -> bool:
    return name in constants or (name in maker and maker[name].op_type == "Constant")


def _axis(node: NodeProto, shape: list[int]) -> int:
    if node.op_type == "Conv":
        return 0
    transposed = next((attribute.i for attribute in node.attribute if attribute.name == "transB"), 0)
    return 0 if node.op_type == "Gemm" and transposed else len(shape) - 1


def _why_not(node: NodeProto, shape: list[int]) -> str:
    if node.op_type == "MatMul" and len(shape) != 2:
        return f"a product with {len(shape)}-dimensional weights, whose outputs lie along no single axis"
    if node.op_type == "Conv":
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        channels = min(shape[0], shape[1] * groups)
        if channels < LEAST_CHANNELS:
            return f"a convolution of {channels} channels, fewer than {LEAST_CHANNELS}"
    return ""
