"""Architecture families whose published checkpoints can be exported: one small file each, and one line below."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hpe_edge.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from export.zoo.family import Family

# Family name -> where its Family stands. The modules need torch, so they are imported when asked for.
_REGISTRY = {
    "lightweight": "export.zoo.lightweight:FAMILY",
    "hopenet": "export.zoo.hopenet:FAMILY",
    "ehpnet": "export.zoo.ehpnet:FAMILY",
}
_NEAREST = 2  # how many families a message compares with


def names() -> list[str]:
    """Names of all families, as ``--arch`` takes them. Works without torch."""
    return list(_REGISTRY)


@functools.cache
def get(name: str) -> Family:
    """The family of that name.

    Raises:
        ModelError: there is none; the message lists the names.
    """
    if name not in _REGISTRY:
        raise ModelError(f"there is no architecture {name!r}; the known ones are {', '.join(_REGISTRY)}")
    module, _, attribute = _REGISTRY[name].partition(":")
    found: Family = getattr(importlib.import_module(module), attribute)
    assert found.name == name
    return found


def strip_prefix(state: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """Take off what wrappers such as DataParallel and torch.compile put before every key.

    Of the dotted prefixes that all keys share, that one is taken off with which the most keys are some family's, and
    none if that does not help.

    Returns:
        The prefix, which may be empty, and the state dict without it.
    """
    first = next(iter(state))
    dotted = [first[: dot + 1] for dot, letter in enumerate(first) if letter == "."]
    prefixes = ["", *(prefix for prefix in dotted if all(key.startswith(prefix) for key in state))]
    stripped = [{key.removeprefix(prefix): tensor for key, tensor in state.items()} for prefix in prefixes]
    matching = [max(get(name).matching(candidate) for name in _REGISTRY) for candidate in stripped]
    best = matching.index(max(matching))
    return prefixes[best], stripped[best]


def recognise(state: Mapping[str, Tensor]) -> Family:
    """The one family whose keys and shapes these weights have.

    Raises:
        ModelError: none or several fit; the message names the nearest ones and how they differ.
    """
    families = [get(name) for name in _REGISTRY]
    differences = {candidate.name: candidate.difference(state) for candidate in families}
    fitting = [candidate for candidate in families if differences[candidate.name].count == 0]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        alike = " and ".join(candidate.name for candidate in fitting)
        raise ModelError(f"the weights fit {alike} alike; say which they are with --arch")
    nearest = sorted(families, key=lambda candidate: candidate.matching(state), reverse=True)[:_NEAREST]
    raise ModelError(
        "the weights are of no known family; the nearest are "
        + " | ".join(f"{candidate.name} ({differences[candidate.name]})" for candidate in nearest)
    )
