"""Adoption of ONNX files exported elsewhere: convert their ends, match the outputs to heads, and make the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from export.adoption.column_order import order_by
from export.adoption.ends import Ends, forms, with_probabilities
from export.adoption.rotation import Columns
from export.adoption.wanted import FamilyReading, Wanted, like_families
from export.checkpoints.network import Network
from export.gate.comparison import Faces
from export.gate.gate import Runner, poses_of
from export.graph.free_batch import free_batch
from export.graph.match_heads import HeadMatch, Outputs, describe, heads_of, probabilities
from export.graph.onnx_file import (
    ImageInput,
    fix_image_input,
    graph_precision,
    open_unchanged,
    read_onnx,
    run_random,
    shape_of,
    weight_count,
)
from export.sanity.readings import with_heads
from export.sanity.suspect import Suspect, Twin
from export.step import Reporter, shell_path
from hpe_edge.errors import ModelError
from hpe_edge.files.graph_kind import graph_kind
from hpe_edge.ops.decode import head_columns
from hpe_edge.poses import Poses
from hpe_edge.spec import METADATA_KEY, AnglesDecode, BinsDecode, Decode, ModelSpec, Origin, Precision


@dataclass(frozen=True)
class Adopted:
    """A file from elsewhere, read by a spec. Implements :class:`export.graph.write_onnx.Exportable`.

    Attributes:
        path: the file.
        model: its graph, with the spec's outputs only.
        spec: its spec.
        crop_note: see :class:`export.zoo.family.Family`.
        original: runs the unchanged file.
        batch: that the original runs at once.
        network: the checkpoint's, where one was given.
        weights, expected_weights: numbers of the file's and of the family's.
        twins: other families that it may be of.
    """

    path: Path
    model: ModelProto
    spec: ModelSpec
    crop_note: str
    original: Runner
    batch: int
    network: Network | None
    weights: int
    expected_weights: int
    twins: tuple[Twin, ...]

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
            return self.network.reference(replace(faces, crops=self._normalised(faces.crops)))
        return poses_of(self.original, self.spec, faces.crops, len(faces.crops))

    def _normalised(self, crops: NDArray[Any]) -> NDArray[Any]:
        """The crops as the checkpoint's network takes them: a file of levels normalises them itself."""
        if crops.dtype != np.uint8 or self.network is None:
            return crops
        given = self.network.spec.input
        mean, std = (np.array(each, np.float32).reshape(3, 1, 1) for each in (given.mean, given.std))
        return np.asarray((crops.astype(np.float32) * np.float32(given.scale) - mean) / std)

    def suspect(self) -> Suspect:
        """See :class:`export.graph.write_onnx.Exportable`."""
        adopted = f"--adopt {shell_path(self.path)}"
        return Suspect(
            name=self.path.name,
            spec=self.spec,
            run=self.original,
            batch=self.batch,
            twins=self.twins,
            remedy=f"say so in a spec of your own, which {adopted} --template prints, and give it as --spec",
            weights=self.weights,
            expected=self.expected_weights,
        )


def adopt(
    path: Path,
    wanted: Wanted,
    network: Network | None,
    report: Reporter,
    *,
    dynamic_batch: bool = False,
    source: Path | None = None,
) -> Adopted:
    """Read an ONNX file and match it to a family or a spec file.

    The spec's origin names the file, ``"x.onnx"``, and its SHA-256. With a checkpoint it is ``"x.onnx, verified against
    model.pkl"`` and both sums joined by ``" + "``. A file with a spec keeps it, its origin included.

    Args:
        path: the file.
        wanted: sets normalisation, crop and decode.
        network: the gate's reference; None: the unchanged file.
        report: takes the stages.
        dynamic_batch: make a fixed batch dynamic.
        source: the file that ``path`` was converted from, for messages; None: ``path`` itself.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no ONNX file, its input or outputs are not as wanted, it has another family's spec, it has
            this family's spec and there is no checkpoint to compare with, or its batch cannot be made dynamic.
    """
    model, sha256 = read_onnx(path)
    path = source or path
    _refuse_detector(path, model)
    base = wanted.spec(_origin(path, sha256, network))
    own = _own_spec(path, model, base.architecture, network)
    base = own or base
    image = fix_image_input(path, model, base.input.size)
    if own and not image.is_plain:
        raise ModelError(f"{path} has a spec, and its picture is not [N, 3, size, size]; export it again")
    session = open_unchanged(path, model)  # before the ends are converted: the gate's reference
    raw = run_random(path, session, image)
    plain = {name: form.apply(raw[name]) for name, form in forms(raw).items()}
    match = _as_before(path, own, plain) if own else wanted.match(path, plain)
    if network is not None and not own:
        match = _in_the_checkpoints_order(match, session, image, base, raw, network)
    ends, decode = _ends(image, base, match, raw, plain, wanted.rearranged())
    freed = ends.convert(model)
    fixed = freed.batch
    shapes = {form.new_name: form.apply(raw[form.name]).shape[1:] for form in ends.outputs}
    if dynamic_batch:
        _keep_outputs(model, freed, shapes)
        free_batch(path, model, freed)
        freed = replace(freed, batch=None)
    spec = _spec(base, freed, ends, decode, base.exported_precision if own else graph_precision(model))
    report("adopted", [f"{path}, sha256 {sha256[:12]}...", *_notes(ends, fixed, freed, raw, match)])
    report("family", wanted.words())
    if network is None:
        report(
            "unverified",
            [
                "an ONNX file does not show whether its normalisation, channel order and bins are as read here;",
                "give its CHECKPOINT, too, to verify them",
            ],
        )
    _keep_outputs(model, freed, shapes)
    original, batch = ends.original(session), image.batch or 1
    return Adopted(
        path=path,
        model=model,
        spec=spec,
        crop_note=wanted.crop_note,
        original=original,
        batch=batch,
        network=network,
        weights=weight_count(model),
        expected_weights=0 if own else wanted.expected_weights,
        twins=_twins(path, ends, plain, spec, original, batch) if isinstance(wanted, FamilyReading) else (),
    )


def _refuse_detector(path: Path, model: ModelProto) -> None:
    """Refuse a face detector.

    Raises:
        ModelError: it is one.
    """
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [shape_of(given) for given in model.graph.input if given.name not in weights]
    kind = graph_kind(inputs, [(given.name, shape_of(given)) for given in model.graph.output])
    if kind is not None:
        raise ModelError(f"{path} is {kind}, a face detector, and not a head-pose model: give it as --detector of run")


def _ends(
    image: ImageInput,
    base: ModelSpec,
    match: HeadMatch,
    raw: Outputs,
    plain: Outputs,
    columns: Mapping[str, Columns] | None = None,
) -> tuple[Ends, Decode]:
    """The conversion of the file's ends, and the decode of the converted outputs."""
    known = {name: replace(form, columns=(columns or {}).get(name)) for name, form in forms(raw).items()}
    chosen = with_probabilities([known[name] for name in match.outputs], probabilities(match.decode, plain))
    ends = Ends(image, base.input.color, chosen)
    return ends, _renamed(match.decode, {form.name: form.new_name for form in chosen})


def _spec(base: ModelSpec, image: ImageInput, ends: Ends, decode: Decode, precision: Precision) -> ModelSpec:
    given = replace(base.input, name=image.name)
    if image.dtype == "uint8":
        given = replace(given, scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    return replace(
        base,
        input=replace(given, dtype=image.dtype),
        outputs=tuple(form.new_name for form in ends.outputs),
        decode=decode,
        exported_precision=precision,
        gate=None,
    )


def _renamed(decode: Decode, names: dict[str, str]) -> Decode:
    """The decode, reading from outputs of other names."""
    heads = [replace(head, output=names[head.output]) for head in heads_of(decode)]
    if isinstance(decode, BinsDecode | AnglesDecode):
        return with_heads(decode, heads)
    return heads[0]  # type: ignore[return-value]  # a rotation's decode is its head


def _in_the_checkpoints_order(
    match: HeadMatch,
    session: onnxruntime.InferenceSession,
    image: ImageInput,
    base: ModelSpec,
    raw: Outputs,
    network: Network,
) -> HeadMatch:
    """The match in that order of yaw, pitch and roll which gives the checkpoint's poses."""
    plain = {name: form.apply(raw[name]) for name, form in forms(raw).items()}
    ends, decode = _ends(image, base, match, raw, plain)
    spec = _spec(base, image, ends, decode, base.exported_precision)
    order = order_by(network.spec, network.run, spec, ends.original(session), image.batch or 1)
    if order is None:
        return match
    return HeadMatch(order(match.decode), match.outputs, "order found by comparison with the CHECKPOINT")


def _twins(path: Path, ends: Ends, plain: Outputs, spec: ModelSpec, original: Runner, batch: int) -> tuple[Twin, ...]:
    """The other families that the file may be of."""
    renamed = {form.new_name: plain[form.name] for form in ends.outputs}

    def of(other: ModelSpec) -> Callable[[], tuple[ModelSpec, Runner]]:
        return lambda: (other, original)

    return tuple(Twin(name, of(other), batch) for name, other in like_families(path, renamed, spec))


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


def _notes(ends: Ends, fixed: int | None, freed: ImageInput, outputs: Outputs, match: HeadMatch) -> list[str]:
    image = ends.image
    made = ", now dynamic" if freed.batch != fixed else ""
    notes = [
        f"input {image.name!r}, {image.dtype}, batch {image.batch or 'dynamic'}{made}",
        *ends.words(),
        f"read as {describe(match.decode)};",
        match.how,
    ]
    if unread := [name for name in outputs if name not in match.outputs]:
        notes.append(f"removed, as the angles do not depend on them: {', '.join(unread)}")
    return notes
