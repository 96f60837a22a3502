"""A network under the sanity check, and the other families that it may be of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from export.gate.gate import Runner
from hpe_edge.spec import ModelSpec

_FEWEST, _MOST = 0.1, 10.0  # weights, in those of the family, beyond which a network is another one


@dataclass(frozen=True)
class Twin:
    """Another family that the network may be of.

    Attributes:
        name: as ``--arch`` takes it.
        load: gives its spec and its network.
        batch: of the network.
    """

    name: str
    load: Callable[[], tuple[ModelSpec, Runner]]
    batch: int


@dataclass(frozen=True)
class Suspect:
    """A network under the sanity check.

    Attributes:
        name: of its file.
        spec: it is read by.
        run: the network.
        batch: it takes at once.
        twins: other families that it may be of.
        remedy: ends a refusal: the option that sets another reading; empty where none can be set.
        weights, expected: numbers of weights in the file and in the family; 0 expected where unknown.
    """

    name: str
    spec: ModelSpec
    run: Runner
    batch: int
    twins: Sequence[Twin] = ()
    remedy: str = ""
    weights: int = 0
    expected: int = 0

    @property
    def is_other_network(self) -> bool:
        """True where the number of weights cannot be the family's."""
        return bool(self.expected) and not _FEWEST * self.expected <= self.weights <= _MOST * self.expected
