"""Adoption of ONNX files exported elsewhere: match the outputs to a family, and make the spec."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper

from export import zoo
from export.checkpoints.network import Network
from export.gate.comparison import Faces
from export.gate.gate import Runner, poses_of
from export.graph.free_batch import free_batch
from export.graph.match_heads import HeadMatch, Outputs, describe, match_outputs, refuse_probabilities
from export.graph.onnx_file import (
    ImageInput,
    fix_image_input,
    graph_precision,
    open_unchanged,
    read_onnx,
    run_random,
    session_runner,
)
from export.step import Reporter
from hpe_edge.errors import ModelError
from hpe_edge.ops.decode import head_columns
from hpe_edge.poses import Poses
from hpe_edge.spec import METADATA_KEY, ModelSpec, Origin


@dataclass(frozen=True)
class Adopted:
    """An ONNX file of a known family. Implements :class:`export.graph.write_onnx.Exportable`.

    Attributes:
        model: its graph, with the spec's outputs only.
        spec: its spec.
        crop_note: see :class:`export.zoo.family.Family`.
        original: runs the unchanged file.
        network: the checkpoint's, where one was given.
    """

    model: ModelProto
    spec: ModelSpec
    crop_note: str
    original: Runner
    network: Network | None

    @property
    def compared(self) -> str:
        """See :class:`export.graph.write_onnx.Exportable`."""
        return "onnx with the unchanged file" if self.network is None else self.network.compared

    def to_onnx(self, batch: int | None) -> ModelProto:
        """The file's graph, whose batch is settled."""
        return self.model

    def reference(self, faces: Faces) -> Poses:
        """Poses of the faces by the checkpoint's network, or else by the unchanged file."""
        if self.network is not None:
            return self.network.reference(faces)
        return poses_of(self.original, self.spec, faces.crops, len(faces.crops))


def adopt(path: Path, arch: str, network: Network | None, report: Reporter, *, dynamic_batch: bool = False) -> Adopted:
    """Read an ONNX file and match it to the family.

    The spec's origin names the file, ``"x.onnx"``, and its SHA-256. With a checkpoint it is ``"x.onnx, verified against
    model.pkl"`` and both sums joined by ``" + "``. A file with a spec keeps it, its origin included.

    Args:
        path: the file.
        arch: the family, which sets normalisation, crop and decode.
        network: the gate's reference; None: the unchanged file.
        report: takes the stages.
        dynamic_batch: make a fixed batch dynamic.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no ONNX file, its input or outputs are not the family's, it has another family's spec, it has
            this family's spec and there is no checkpoint to compare with, or its batch cannot be made dynamic.
    """
    family = zoo.get(arch)
    model, sha256 = read_onnx(path)
    own = _own_spec(path, model, arch, network)
    base = own or family.spec(_origin(path, sha256, network))
    image = fix_image_input(path, model, base.input.size)
    session = open_unchanged(path, model)  # before the batch is freed: the gate's reference
    freed = image
    if dynamic_batch:
        free_batch(path, model, image)
        freed = replace(image, batch=None)
    outputs = run_random(path, session, image)
    match = _as_before(path, own, outputs) if own else match_outputs(path, family, outputs)
    refuse_probabilities(path, match.decode, outputs)
    spec = replace(
        base,
        input=replace(base.input, name=image.name, dtype=image.dtype),
        outputs=match.outputs,
        decode=match.decode,
        exported_precision=base.exported_precision if own else graph_precision(model),
        gate=None,
    )
    report("adopted", [f"{path}, sha256 {sha256[:12]}...", *_notes(image, freed, outputs, match)])
    report("family", [f"{family.name} (as asked for)", family.title, family.source])
    if network is None:
        report(
            "unverified",
            [
                "an ONNX file does not show whether its normalisation, channel order and bins are the family's;",
                "give its CHECKPOINT, too, to verify them",
            ],
        )
    _keep_outputs(model, freed, {name: outputs[name].shape[1:] for name in spec.outputs})
    return Adopted(model, spec, family.crop_note, session_runner(session, spec, image.batch or 1), network)


def _origin(path: Path, sha256: str, network: Network | None) -> Origin:
    if network is None:
        return Origin(checkpoint=path.name, sha256=sha256)
    origin = network.spec.origin
    return Origin(checkpoint=f"{path.name}, verified against {origin.checkpoint}", sha256=f"{sha256} + {origin.sha256}")


def _own_spec(path: Path, model: ModelProto, arch: str, network: Network | None) -> ModelSpec | None:
    """The spec that the file already has.

    Raises:
        ModelError: its family is another one, or the file needs no adopting.
    """
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        return None
    try:
        own = ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    if own.architecture != arch:
        raise ModelError(f"{path} has a spec already, of {own.architecture}, not of {arch}")
    if network is None:
        raise ModelError(f"{path} has a spec already and runs as it is; give its CHECKPOINT, too, to compare them")
    return own


def _as_before(path: Path, own: ModelSpec, outputs: Outputs) -> HeadMatch:
    """The match by the file's own spec.

    Raises:
        ModelError: the graph has other outputs.
    """
    for name, needed in head_columns(own).items():
        if name not in outputs or outputs[name].dtype != np.float32 or outputs[name][0].size < needed:
            raise ModelError(f"{path} has a spec that reads float32 [N, {needed}] from {name!r}; its graph has none")
    return HeadMatch(own.decode, own.outputs, "from the file's own spec")


def _keep_outputs(model: ModelProto, image: ImageInput, shapes: dict[str, tuple[int, ...]]) -> None:
    """Remove all other outputs, and set the shapes of these."""
    batch = image.batch or next(
        given.type.tensor_type.shape.dim[0].dim_param for given in model.graph.input if given.name == image.name
    )
    del model.graph.output[:]
    for name, shape in shapes.items():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape]))


def _notes(image: ImageInput, freed: ImageInput, outputs: Outputs, match: HeadMatch) -> list[str]:
    made = ", now dynamic" if freed != image else ""
    notes = [
        f"input {image.name!r}, {image.dtype}, batch {image.batch or 'dynamic'}{made}",
        f"read as {describe(match.decode)};",
        match.how,
    ]
    if unread := [name for name in outputs if name not in match.outputs]:
        notes.append(f"removed, as the angles do not depend on them: {', '.join(unread)}")
    return notes
