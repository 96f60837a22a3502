"""The reading that an adopted file is asked to have: a family's, or that of a spec file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from export import zoo
from export.adoption.rotation import Columns, rearranged
from export.adoption.spec_file import SpecFile
from export.graph.match_heads import HeadMatch, Outputs, heads_of, match_outputs
from export.zoo.family import Family
from hpe_edge.errors import ModelError
from hpe_edge.ops.decode import head_columns
from hpe_edge.spec import ModelSpec, Origin


class Wanted(Protocol):
    """A reading to adopt a file by."""

    @property
    def crop_note(self) -> str:
        """Source and reliability of the crop."""

    @property
    def expected_weights(self) -> int:
        """Number of weights; 0 where unknown."""

    def spec(self, origin: Origin) -> ModelSpec:
        """The spec, whose input and decode do not yet name the file's."""

    def match(self, path: Path, outputs: Outputs) -> HeadMatch:
        """The heads among the file's outputs."""

    def rearranged(self) -> dict[str, Columns]:
        """See :func:`export.adoption.rotation.rearranged`."""

    def words(self) -> list[str]:
        """The reading, for the report."""


@dataclass(frozen=True)
class FamilyReading:
    """A family, by ``--arch``. Implements :class:`Wanted`."""

    family: Family

    @property
    def crop_note(self) -> str:
        """See :class:`Wanted`."""
        return self.family.crop_note

    @property
    def expected_weights(self) -> int:
        """See :class:`Wanted`."""
        return self.family.parameters

    def spec(self, origin: Origin) -> ModelSpec:
        """See :class:`Wanted`."""
        return self.family.spec(origin)

    def match(self, path: Path, outputs: Outputs) -> HeadMatch:
        """See :func:`export.graph.match_heads.match_outputs`."""
        return match_outputs(path, self.family, outputs)

    def rearranged(self) -> dict[str, Columns]:
        """See :class:`Wanted`."""
        return {}

    def words(self) -> list[str]:
        """See :class:`Wanted`."""
        return [f"{self.family.name} (as asked for)", self.family.title, self.family.source]


@dataclass(frozen=True)
class FileReading:
    """A spec file, by ``--spec``. Implements :class:`Wanted`."""

    path: Path
    content: SpecFile

    crop_note = "the spec file's"
    expected_weights = 0

    def spec(self, origin: Origin) -> ModelSpec:
        """See :class:`Wanted`."""
        return self.content.spec(origin)

    def match(self, path: Path, outputs: Outputs) -> HeadMatch:
        """The outputs that the spec names.

        Raises:
            ModelError: the graph has no such output, or it is too narrow.
        """
        spec = self.content.spec(Origin("", ""))
        for name, needed in head_columns(replace(spec, decode=self.content.decode)).items():
            if name not in outputs or outputs[name][0].size < needed:
                there = ", ".join(f"{each!r} [N, {array[0].size}]" for each, array in outputs.items())
                raise ModelError(
                    f"{self.path} reads {needed} columns of {name!r}, and {path} has the outputs {there or 'none'}; "
                    "name one of these in the decode"
                )
        names = tuple(dict.fromkeys(head.output for head in heads_of(spec.decode)))
        return HeadMatch(spec.decode, names, f"as {self.path} says")

    def rearranged(self) -> dict[str, Columns]:
        """See :class:`Wanted`."""
        return rearranged(self.content.rotation, self.content.decode)

    def words(self) -> list[str]:
        """See :class:`Wanted`."""
        return [f"{self.content.architecture} (by {self.path})"]


def like_families(path: Path, outputs: Outputs, spec: ModelSpec) -> list[tuple[str, ModelSpec]]:
    """The other families whose input and heads a file has, read by their specs."""
    found = []
    for name in zoo.names():
        family = zoo.get(name)
        if name == spec.architecture or family.input.size != spec.input.size:
            continue
        try:
            match = match_outputs(path, family, outputs)
        except ModelError:
            continue
        if match.outputs[: len(spec.outputs)] != spec.outputs:
            continue
        other = family.spec(spec.origin)
        given = spec.input if spec.input.dtype == "uint8" else replace(other.input, name=spec.input.name)
        given = replace(given, dtype=spec.input.dtype)
        found.append((name, replace(other, input=given, outputs=spec.outputs, decode=match.decode)))
    return found
