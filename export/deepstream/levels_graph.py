"""Variant of a model with normalisation and decode in its graph: levels 0 to 255 in, poses in degrees out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, shape_inference

from export.deepstream.pose_nodes import PREFIX, Nodes, add_decode
from export.graph.onnx_file import sort_nodes
from export.graph.weighted_layers import head_nodes
from hpe_edge.errors import ModelError
from hpe_edge.spec import AngleHead, AnglesDecode, Input, ModelSpec

LEVELS, POSE = "crop_levels", "pose_deg"  # the tensors' names


def in_levels(model: ModelProto, spec: ModelSpec) -> tuple[ModelProto, ModelSpec]:
    """Make a copy of a model that normalises and decodes by itself.

    Args:
        model: a graph with a dynamic batch.
        spec: its spec.

    Returns:
        The graph, from float32 ``crop_levels`` ``[N, 3, size, size]`` in the model's colours to float32 ``pose_deg``,
        see :func:`export.deepstream.pose_nodes.add_decode`; and its spec, still without a gate. The spec's decode takes
        the angles alone, since a spec knows no sigma that is computed elsewhere.

    Raises:
        ModelError: the graph uses names of the nodes to add.
    """
    variant = onnx.ModelProto()
    variant.CopyFrom(model)
    graph = variant.graph
    names = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
    if any(name in (LEVELS, POSE) or name.startswith(f"{PREFIX}/") for name in names):
        raise ModelError("the model normalises and decodes by itself already; start from the file it was made from")
    nodes = Nodes()
    _normalise(nodes, spec.input, next(each for each in graph.input if each.name == spec.input.name))
    for output in graph.output:
        nodes.heads[output.name] = _float_rows(nodes, output)
    columns = add_decode(nodes, spec, POSE)
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    del graph.input[:], graph.output[:], graph.value_info[:]
    size = spec.input.size
    graph.input.append(helper.make_tensor_value_info(LEVELS, TensorProto.FLOAT, ["N", 3, size, size]))
    graph.output.append(helper.make_tensor_value_info(POSE, TensorProto.FLOAT, ["N", columns]))
    sort_nodes(graph)
    try:
        onnx.checker.check_model(variant)
        shape_inference.infer_shapes(variant, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise ModelError(f"normalisation and decode cannot be added to the graph ({error})") from None
    heads = (AngleHead(POSE, at) for at in range(3))
    plain = Input(size, spec.input.color, 1.0, (0.0,) * 3, (1.0,) * 3, name=LEVELS)
    return variant, replace(spec, input=plain, outputs=(POSE,), decode=AnglesDecode(*heads), sigma=None, gate=None)


def float32_layers(variant: ModelProto) -> list[str]:
    """Names of the nodes to be kept in FP32 in an FP16 network: its head and all after it, and the normalisation."""
    added = [node.name for node in variant.graph.node if node.name.startswith(f"{PREFIX}/")]
    return list(dict.fromkeys([*added, *(node.name for node in head_nodes(variant) if node.name)]))


def _normalise(nodes: Nodes, rule: Input, image: ValueInfoProto) -> None:
    """Append ``(level * scale - mean) / std`` per channel, as :class:`hpe_edge.ops.crop.CropNormalize` computes it."""
    gain = np.array([rule.scale / std for std in rule.std])
    bias = np.array([-mean / std for mean, std in zip(rule.mean, rule.std, strict=True)])
    value = LEVELS
    if (gain != 1).any() or (bias != 0).any():
        scaled = nodes.add("Mul", value, nodes.constant(gain.reshape(1, 3, 1, 1)))
        value = nodes.add("Add", scaled, nodes.constant(bias.reshape(1, 3, 1, 1)))
    kind = image.type.tensor_type.elem_type
    # TensorRT casts no tensor within a network to UINT8, and a model of that input casts it to another type at once.
    half = kind == TensorProto.FLOAT16
    nodes.add("Cast", value, output=rule.name, to=TensorProto.FLOAT16 if half else TensorProto.FLOAT)


def _float_rows(nodes: Nodes, output: ValueInfoProto) -> str:
    """An output as float32 ``[N, C]``."""
    kind, name = output.type.tensor_type, output.name
    if kind.elem_type != TensorProto.FLOAT:
        name = nodes.add("Cast", name, to=TensorProto.FLOAT)
    return name if len(kind.shape.dim) == 2 else nodes.add("Flatten", name, axis=1)
