"""The network of a checkpoint, or the average of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor, nn

from export import zoo
from export.checkpoints.load import Checkpoint, load_checkpoint
from export.gate.comparison import Faces
from export.gate.gate import Runner, poses_of
from export.graph import trace as graph
from export.sanity.suspect import Suspect, Twin
from export.step import Reporter
from export.zoo.ensemble import average, check_members
from export.zoo.family import Family, Heads
from hpe_edge.errors import ModelError
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec, Origin

_BATCH = 8  # of the torch module
_POSITIONAL = {"keras": "Keras", "tflite": "TensorFlow Lite"}


@dataclass(frozen=True)
class Network:
    """A network with its weights. Implements :class:`export.graph.write_onnx.Exportable`.

    Attributes:
        net: as published; the gate's reference.
        export_form: the same function with fewer nodes.
        spec: still without tools and the gate's result.
        crop_note: source and reliability of the crop.
        twins: other families with the same weights' names and shapes.
    """

    net: nn.Module
    export_form: nn.Module
    spec: ModelSpec
    crop_note: str
    twins: tuple[Twin, ...] = ()

    compared: ClassVar[str] = "onnx with pytorch"

    def to_onnx(self, batch: int | None) -> ModelProto:
        """The graph as torch exports it."""
        return graph.trace(self.export_form, self.spec.input, self.spec.outputs, batch)

    def reference(self, faces: Faces) -> Poses:
        """Poses of the faces by the torch module."""
        return poses_of(self.run, self.spec, faces.crops, _BATCH)

    def suspect(self) -> Suspect:
        """See :class:`export.graph.write_onnx.Exportable`."""
        return Suspect(self.spec.origin.checkpoint, self.spec, self.run, _BATCH, self.twins)

    def run(self, crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Outputs of the torch module for crops, one array per name of the spec's outputs."""
        with torch.inference_mode():
            outputs = self.net(torch.from_numpy(crops.astype(np.float32, copy=False)))
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]


@dataclass(frozen=True)
class _Member:
    family: Family
    net: nn.Module
    origin: Origin
    twins: tuple[Twin, ...] = ()


def load_network(
    paths: Sequence[Path], archs: Sequence[str], *, trust: bool, report: Reporter, heads: bool = False
) -> Network:
    """Read checkpoints; several become an ensemble with equal weights.

    ``archs`` is a family for each checkpoint, one for all, or empty to recognise each. With ``heads`` a single network
    has all that it gives beside the pose, too.

    Raises:
        HpeEdgeError: a checkpoint cannot be used, or the members cannot form an ensemble.
    """
    asked: list[str | None] = [*archs] if len(archs) == len(paths) else [archs[0] if archs else None] * len(paths)
    members = [_load(path, arch, trust, report) for path, arch in zip(paths, asked, strict=True)]
    if len(members) > 1:
        return _ensemble(members, report)
    found = members[0].family.heads
    if found is not None:
        report("heads", [_described(found, taken=heads)])
    return _single(members[0], found if heads else None)


def _load(path: Path, asked: str | None, trust: bool, report: Reporter) -> _Member:
    checkpoint = load_checkpoint(path, trust=trust, report=report, fits=_fits)
    if checkpoint.layout == "torch":
        prefix, state = zoo.strip_prefix(checkpoint.state)
        if prefix:
            note = f"the prefix {prefix!r} is taken off every key"
            checkpoint = replace(checkpoint, state=state, notes=(*checkpoint.notes, note))
    report("checkpoint", [f"{checkpoint.path}, sha256 {checkpoint.sha256[:12]}...", *checkpoint.notes])
    family, weights, why = _find_family(checkpoint, asked)
    report(
        "family",
        [
            f"{family.name} ({why})",
            family.title,
            family.source,
            f"reported: {family.published}",
            *(f"left out: {drop.why}" for drop in family.dropped(weights)),
            *(f"left out: {what}" for what in family.unexported),
        ],
    )
    origin = Origin(checkpoint=checkpoint.path.name, sha256=checkpoint.sha256)
    twins = _twins(weights, origin, family) if checkpoint.layout == "torch" else ()
    return _Member(family, family.load(weights), origin, twins)


def _twins(weights: Mapping[str, Tensor], origin: Origin, family: Family | None = None) -> tuple[Twin, ...]:
    """The families that these weights fit, without one."""

    def of(twin: Family) -> Callable[[], tuple[ModelSpec, Runner]]:
        def load() -> tuple[ModelSpec, Runner]:
            network = _single(_Member(twin, twin.load(weights), origin))
            return network.spec, network.run

        return load

    return tuple(Twin(twin.name, of(twin), _BATCH) for twin in zoo.fitting(weights) if twin is not family)


def _fits(state: Mapping[str, Tensor]) -> bool:
    return bool(zoo.fitting(zoo.strip_prefix(state)[1]))


def _find_family(checkpoint: Checkpoint, asked: str | None) -> tuple[Family, Mapping[str, Tensor], str]:
    """The family, the weights under its keys, and the reason for the report."""
    if checkpoint.layout != "torch":
        family, weights = _of_arrays(checkpoint, asked)
        return family, weights, f"{_POSITIONAL[checkpoint.layout]} weights, by their place in the file"
    if asked:
        family = zoo.get(asked)
        _check_fit(checkpoint, family)
        return family, checkpoint.state, "as asked for"
    try:
        family = zoo.recognise(checkpoint.state)
    except zoo.SeveralFit as error:
        from export.sanity.check import rank_twins  # late, as it draws heads

        origin = Origin(checkpoint=checkpoint.path.name, sha256=checkpoint.sha256)
        found = rank_twins([twin for twin in _twins(checkpoint.state, origin) if twin.name in error.names])
        raise ModelError(f"{checkpoint.path}: {error}\n{found}") from None
    except ModelError as error:
        raise ModelError(f"{checkpoint.path}: {error}") from None
    return family, checkpoint.state, f"recognised: all {len(checkpoint.state)} keys and shapes are its own"


def _of_arrays(checkpoint: Checkpoint, asked: str | None) -> tuple[Family, Mapping[str, Tensor]]:
    """The family of a file that is read by position, and the weights under its keys.

    Raises:
        ModelError: the file is not of the family that was asked for, or of none.
    """
    kind = _POSITIONAL[checkpoint.layout]
    families = [zoo.get(asked)] if asked else zoo.positional_families(checkpoint.layout)
    faults = []
    for family in families:
        if checkpoint.layout not in family.from_arrays:
            raise ModelError(
                f"{checkpoint.path} holds {kind} weights, and {family.name}'s are not; leave --arch out, or name "
                f"{family.name}'s checkpoint"
            )
        try:
            weights = family.from_arrays[checkpoint.layout](checkpoint.state)
        except ModelError as error:
            faults.append(str(error))
            continue
        if family.difference(weights).count == 0:
            return family, weights
        faults.append(f"the arrays are not those of {family.name} ({family.difference(weights)})")
    raise ModelError(f"{checkpoint.path} is of no known family: {' | '.join(faults)}")


def _check_fit(checkpoint: Checkpoint, family: Family) -> None:
    """Refuse weights that are not the family's; the message names the families that fit."""
    difference = family.difference(checkpoint.state)
    if difference.count:
        fitting = ", ".join(other.name for other in zoo.fitting(checkpoint.state))
        what = f"they fit {fitting}" if fitting else "they fit no other family either; --list shows the known ones"
        if not family.matching(checkpoint.state):
            some = ", ".join(list(checkpoint.state)[:3])
            raise ModelError(f"{checkpoint.path}: the weights are not {family.name}'s (none of {some}, ... is); {what}")
        raise ModelError(f"{checkpoint.path}: the weights are not {family.name}'s ({difference}); {what}")


def _described(heads: Heads, *, taken: bool) -> str:
    what = f"{heads.landmarks.count} landmarks{' and their visibility' if heads.visibility is not None else ''}"
    return f"{what} beside the pose" if taken else f"left out: {what}"


def _single(member: _Member, heads: Heads | None = None) -> Network:
    family, net = member.family, member.net
    return Network(
        net if heads is None else heads.module(net),
        (family if heads is None else heads).export_form(net).eval(),
        family.spec(member.origin, heads),
        family.crop_note,
        member.twins,
    )


def _ensemble(members: list[_Member], report: Reporter) -> Network:
    families = [member.family for member in members]
    check_members(families)
    first = families[0]
    others = {family.name for family in families if family.crop != first.crop}
    crop_note = first.crop_note
    if others:
        crop_note = f"{first.name}'s, the first one's; {', '.join(sorted(others))} have another crop"
    hashes = [member.origin.sha256 for member in members]
    unread = sorted({name for family in families for name in family.outputs[1:]})
    report(
        "ensemble",
        [
            f"{len(members)} networks; their outputs are averaged with equal weights",
            *(["a checkpoint occurs more than once, and so has more weight"] * (len(set(hashes)) < len(hashes))),
            *(f"left out: the output {name}, which is not averaged" for name in unread),
        ],
    )
    origin = Origin(checkpoint=" + ".join(member.origin.checkpoint for member in members), sha256=" + ".join(hashes))
    spec = replace(
        first.spec(origin), architecture=" + ".join(family.name for family in families), outputs=first.outputs[:1]
    )
    return Network(
        net=average(families, [member.net for member in members]),
        export_form=average(families, [member.family.export_form(member.net) for member in members]),
        spec=spec,
        crop_note=crop_note,
    )
