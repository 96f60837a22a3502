"""An ONNX file that someone else exported: how it fits a family, and the spec that it therefore gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper

from export import zoo
from export.checkpoints.network import Network
from export.cli.report import say
from export.gate.crops import Faces
from export.gate.gate import Runner, poses_of
from export.graph.match_heads import Outputs, Reading, describe, read_outputs, refuse_probabilities
from export.graph.onnx_file import Picture, fix_picture, open_unchanged, read_onnx, run_random, session_runner
from hpe_edge.errors import ModelError
from hpe_edge.ops.decode import head_columns
from hpe_edge.poses import Poses
from hpe_edge.spec import METADATA_KEY, ModelSpec, Origin


@dataclass(frozen=True)
class Adopted:
    """An ONNX file of a known family. Implements :class:`export.steps.to_onnx.Exportable`.

    Attributes:
        model: its graph, with the outputs that the spec names and no others.
        spec: what it will be run with.
        crop_note: see :class:`export.zoo.family.Family`.
        original: runs the file as it was.
        network: the checkpoint's, where one was named beside the file.
    """

    model: ModelProto
    spec: ModelSpec
    crop_note: str
    original: Runner
    network: Network | None

    @property
    def compared(self) -> str:
        """What the gate compares."""
        return "onnx with the file as it was" if self.network is None else self.network.compared

    def to_onnx(self, batch: int | None) -> ModelProto:
        """The file's graph; its batch is the file's own."""
        return self.model

    def reference(self, faces: Faces) -> Poses:
        """What the checkpoint's network says of the faces, or else the file as it was."""
        if self.network is not None:
            return self.network.reference(faces)
        return poses_of(self.original, self.spec, faces.crops, len(faces.crops))


def adopt(path: Path, arch: str, network: Network | None) -> Adopted:
    """Read an ONNX file and say how it fits the family.

    The spec's origin names the file, ``"x.onnx"``, and its SHA-256. With a checkpoint, which the gate holds it against,
    it is ``"x.onnx, proved against model.pkl"`` and both sums joined by ``" + "``. A file that has a spec of ours keeps
    that, its origin included.

    Args:
        path: the file.
        arch: name of the family whose normalisation, crop and decode it gets.
        network: what the gate compares with; None: the file as it was.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: no ONNX file, or its input or outputs are not the family's; the message says which. Or it has a spec
            of another family; or one of this family, and no checkpoint to hold it against.
    """
    family = zoo.get(arch)
    model, sha256 = read_onnx(path)
    own = _own_spec(path, model, arch, network)
    base = own or family.spec(_origin(path, sha256, network))
    picture = fix_picture(path, model, base.input.size)
    session = open_unchanged(path, model)
    said = run_random(path, session, picture)
    reading = _as_before(path, own, said) if own else read_outputs(path, family, said)
    refuse_probabilities(path, reading.decode, said)
    spec = replace(
        base,
        input=replace(base.input, name=picture.name, dtype=picture.dtype),
        outputs=reading.outputs,
        decode=reading.decode,
        gate=None,
    )
    say("adopted", f"{path}, sha256 {sha256[:12]}...", *_notes(picture, said, reading))
    say("family", f"{family.name} (as asked for)", family.title, family.source)
    if network is None:
        say(
            "unproved",
            "nothing in an ONNX file tells whether its normalisation, channel order and bins are the family's;",
            "name its CHECKPOINT, too, and the gate compares with that",
        )
    _keep_outputs(model, picture, {name: said[name].shape[1:] for name in spec.outputs})
    return Adopted(model, spec, family.crop_note, session_runner(session, spec, picture.batch or 1), network)


def _origin(path: Path, sha256: str, network: Network | None) -> Origin:
    if network is None:
        return Origin(checkpoint=path.name, sha256=sha256)
    proof = network.spec.origin
    return Origin(checkpoint=f"{path.name}, proved against {proof.checkpoint}", sha256=f"{sha256} + {proof.sha256}")


def _own_spec(path: Path, model: ModelProto, arch: str, network: Network | None) -> ModelSpec | None:
    """The spec of a file that was made here.

    Raises:
        ModelError: it says another family; or the file needs no adopting.
    """
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        return None
    try:
        own = ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    if own.architecture != arch:
        raise ModelError(f"{path} has a spec already, which says that it is {own.architecture}, not {arch}")
    if network is None:
        raise ModelError(
            f"{path} has a spec already and runs as it is, there is nothing to adopt; with its CHECKPOINT it is held "
            "against that"
        )
    return own


def _as_before(path: Path, own: ModelSpec, said: Outputs) -> Reading:
    """The reading that the file's own spec states.

    Raises:
        ModelError: the graph has other outputs.
    """
    for name, needed in head_columns(own).items():
        if name not in said or said[name].dtype != np.float32 or said[name][0].size < needed:
            raise ModelError(f"{path} has a spec that reads float32 [N, {needed}] from {name!r}; its graph has none")
    return Reading(own.decode, own.outputs, "as its spec says, which is kept")


def _keep_outputs(model: ModelProto, picture: Picture, shapes: dict[str, tuple[int, ...]]) -> None:
    """Cut the other outputs off, and write down the shapes of these."""
    batch = picture.batch or next(
        given.type.tensor_type.shape.dim[0].dim_param for given in model.graph.input if given.name == picture.name
    )
    del model.graph.output[:]
    for name, shape in shapes.items():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape]))


def _notes(picture: Picture, said: Outputs, reading: Reading) -> list[str]:
    notes = [
        f"input {picture.name!r}, {picture.dtype}, batch {picture.batch or 'dynamic'}",
        f"read as {describe(reading.decode)};",
        reading.how,
    ]
    if unread := [name for name in said if name not in reading.outputs]:
        notes.append(f"left out, as the angles do not depend on them: {', '.join(unread)}")
    return notes
