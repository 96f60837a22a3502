"""A frozen TensorFlow graph of a known network as the source of an ONNX file.

TensorFlow is not needed, and not there to compare with: the gate compares the simplified file with the converted graph.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from export.frozen_graph.convert_graph import convert_graph
from export.frozen_graph.graph_def import read_graph
from export.gate.comparison import Faces
from export.gate.gate import poses_of
from export.sanity.suspect import Suspect
from export.step import Reporter
from export.zoo.family import Family
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec, Origin

# Family -> its placeholder, and the node of each of its outputs.
_ENDS = {"mnn": ("input_1", {"maps": "k2tfout_0", "angles": "k2tfout_1", "visibility": "k2tfout_3"})}
_BATCH = 8


@dataclass(frozen=True)
class FrozenNetwork:
    """A converted graph. Implements :class:`export.graph.write_onnx.Exportable`."""

    model: ModelProto
    spec: ModelSpec
    crop_note: str
    name: str

    compared: ClassVar[str] = "onnx with the converted graph"

    def to_onnx(self, batch: int | None) -> ModelProto:
        """The graph, with that batch."""
        found = ModelProto()
        found.CopyFrom(self.model)
        if batch is not None:
            for end in (*found.graph.input, *found.graph.output):
                end.type.tensor_type.shape.dim[0].dim_value = batch
        return found

    def reference(self, faces: Faces) -> Poses:
        """Poses of the faces by the converted graph, without ONNX Runtime's optimisations."""
        return poses_of(self.run, self.spec, faces.crops, _BATCH)

    def suspect(self) -> Suspect:
        """See :class:`export.graph.write_onnx.Exportable`."""
        return Suspect(self.name, self.spec, self.run, _BATCH)

    def run(self, crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Outputs of the converted graph, one array per name of the spec's outputs."""
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        found: list[NDArray[np.float32]] = session.run(list(self.spec.outputs), {"image": crops})
        return found


def frozen_network(path: Path, family: Family, report: Reporter, *, heads: bool) -> FrozenNetwork:
    """Read and convert a frozen graph.

    Args:
        path: the .pb file.
        family: of the network.
        report: takes the stages.
        heads: with all that it gives beside the pose.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: the family has no such graphs, or the file cannot be converted.
    """
    if family.name not in _ENDS:
        raise ModelError(f"{family.name} has no frozen graphs; {', '.join(_ENDS)} has: name it with --arch")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no graph {path}; check the name, or download the file first") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; check its name and permissions") from None
    sha256 = hashlib.sha256(data).hexdigest()
    nodes = read_graph(path, data)
    picture, ends = _ENDS[family.name]
    if picture not in nodes:
        raise ModelError(f"{path} has no placeholder {picture!r}; it is not {family.name}'s graph")
    spec = family.spec(Origin(path.name, sha256), family.heads if heads else None)
    try:
        model = convert_graph(nodes, picture, family.input.size, [(ends[name], name) for name in spec.outputs])
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    _check(path, model, spec)
    report("checkpoint", [f"{path}, sha256 {sha256[:12]}..., a frozen graph of {len(nodes)} nodes"])
    report("family", [f"{family.name} (as asked for)", family.title, family.source, f"reported: {family.published}"])
    report("unverified", ["signs and normalisation are the family's: the graph does not show them"])
    return FrozenNetwork(model, spec, family.crop_note, path.name)


def _check(path: Path, model: ModelProto, spec: ModelSpec) -> None:
    """Refuse outputs that are narrower than the spec's heads."""
    from hpe_edge.ops.decode import head_columns

    needed = head_columns(spec)
    for end in model.graph.output:
        sides = [dim.dim_value for dim in end.type.tensor_type.shape.dim[1:]]
        if int(np.prod(sides)) != needed[end.name]:
            raise ModelError(
                f"{path}: the output {end.name} has {sides} numbers a face, and the network's has {needed[end.name]}; "
                "it is another variant, with other landmarks"
            )
