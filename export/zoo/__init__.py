"""Registry of the architecture families whose checkpoints can be exported."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hpe_edge.errors import ModelError
from hpe_edge.spec import AnglesDecode, BinsDecode, Decode

if TYPE_CHECKING:
    from torch import Tensor

    from export.zoo.family import Family

# Family name -> module and attribute. The modules need torch, so they are imported on demand.
_REGISTRY = {
    "lightweight": "lightweight:FAMILY",
    "hopenet": "hopenet:HOPENET",
    "hopenet-resnet18": "hopenet:HOPENET_RESNET18",
    "hopenet-resnet34": "hopenet:HOPENET_RESNET34",
    "hopenet-resnet101": "hopenet:HOPENET_RESNET101",
    "hopenet-regression": "hopenet:HOPENET_REGRESSION",
    "hopenet-alexnet": "hopenet:HOPENET_ALEXNET",
    "hopenet-lite": "hopenet_lite:FAMILY",
    "fr-pose": "hopenet_lite:FR_POSE",
    "lenet5": "hopenet:LENET5",
    "hybrid": "hopenet:HYBRID",
    "ehpnet": "ehpnet:EHPNET",
    "mhpnet": "ehpnet:MHPNET",
    "ehpnet-resnet101": "ehpnet:RESNET101",
    "ehpnet-res2net50": "res2net:FAMILY",
    "ehpnet-botnet50": "botnet:FAMILY",
    "fsanet-1x1": "fsanet:FSANET_1X1",
    "fsanet-var": "fsanet:FSANET_VAR",
    "fsanet180-1x1": "fsanet:FSANET180_1X1",
    "fsanet180-var": "fsanet:FSANET180_VAR",
    "fsanet-keras": "fsanet_keras:FAMILY",
    "ssrnet-mt": "ssrnet_mt:FAMILY",
    "whenet": "whenet:WHENET",
    "whenet-linear": "whenet:WHENET_LINEAR",
    "6drepnet": "sixdrepnet:SIXDREPNET",
    "6drepnet-a0": "sixdrepnet:SIXDREPNET_A0",
    "6drepnet360": "sixdrepnet:SIXDREPNET360",
    "6drepnet2": "sixdrepnet:SIXDREPNET2",
    "resnet18-6d": "efficient6d:RESNET18_6D",
    "resnet34-6d": "efficient6d:RESNET34_6D",
    "resnet50-6d": "efficient6d:RESNET50_6D",
    "mobilenetv2-6d": "efficient6d:MOBILENETV2_6D",
    "mobilenetv3-small-6d": "efficient6d:MOBILENETV3_SMALL_6D",
    "mobilenetv3-large-6d": "efficient6d:MOBILENETV3_LARGE_6D",
    "opal23-euler": "opal23:EULER",
    "opal23-euler-panoptic": "opal23:EULER_PANOPTIC",
    "opal23-quaternion": "opal23:QUATERNION",
    "opal23-6d": "opal23:ROT6D",
    "3ddfa": "threeddfa:FAMILY",
    "face-landmarker": "face_landmarker:FAMILY",
    "mnn": "mnn:FAMILY",
    "student-v2": "student:V2",
    "student-dense": "student:DENSE",
    "student-mixed": "student:MIXED",
    "student-separable": "student:SEPARABLE",
}
_NEAREST = 2  # families that a message compares with
_SHOWN = 5  # keys in a message


class SeveralFit(ModelError):
    """The weights fit several families, and do not tell which.

    Attributes:
        names: of these families.
    """

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


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
    found: Family = getattr(importlib.import_module(f"export.zoo.{module}"), attribute)
    assert found.name == name
    return found


def positional_families(layout: str) -> list[Family]:
    """The families that are read from files of this layout, without those on request."""
    return [family for family in map(get, _REGISTRY) if layout in family.from_arrays and not family.on_request]


def strip_prefix(state: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """Remove the prefix that wrappers such as DataParallel and torch.compile add to every key.

    Of the dotted prefixes that all keys share, and none, the one after which most keys match a family is removed.

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


def fitting(state: Mapping[str, Tensor]) -> list[Family]:
    """The families with the keys and shapes of these weights, those on request included."""
    return [family for family in map(get, _REGISTRY) if family.difference(state).count == 0]


def recognise(state: Mapping[str, Tensor]) -> Family:
    """The one family with the keys and shapes of these weights.

    Raises:
        SeveralFit: several fit.
        ModelError: none fits; the message names the nearest ones and how they differ.
    """
    alike = [family for family in fitting(state) if not family.on_request]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise SeveralFit(
            "the weights fit several networks, which the file does not distinguish; choose one:"
            + "".join(f"\n  --arch {twin.name}: {twin.title}; {twin.source}" for twin in alike),
            tuple(twin.name for twin in alike),
        )
    nearest = sorted(map(get, _REGISTRY), key=lambda family: family.matching(state), reverse=True)[:_NEAREST]
    nearest = [family for family in nearest if family.matching(state)]
    if not nearest:
        some = ", ".join(list(state)[:_SHOWN]) + ", ..." * (len(state) > _SHOWN)
        raise ModelError(
            f"the weights are of no known family, and share no name and shape with any (they are {some}); --list shows "
            "the families, and a network that was exported to ONNX can be adopted: --adopt X.onnx --template"
        )
    raise ModelError(
        "the weights are of no known family; the nearest are "
        + " | ".join(f"{family.name} ({family.difference(state)})" for family in nearest)
    )


def listing() -> str:
    """All families: name, input, heads and millions of parameters in a row, then title, source and accuracy."""
    families = [get(name) for name in names()]
    width = max(len(family.name) for family in families)
    lines = [f"{'--arch':<{width}}  {'input':<8}  {'heads':<14}  parameters"]
    for family in families:
        size, color = family.input.size, family.input.color
        row = f"{family.name:<{width}}  {size:>3} {color}   {describe_heads(family.decode):<14}  "
        lines += [
            f"{row}{family.parameters / 1e6:>8.2f} M",
            f"    {family.title}",
            f"    {family.source}",
            f"    reported: {family.published}",
        ]
    return "\n".join(lines)


def describe_heads(decode: Decode) -> str:
    """Describe the heads of a network in a word or two."""
    if isinstance(decode, BinsDecode):
        counts = [head.count for head in (decode.yaw, decode.pitch, decode.roll)]
        return f"3 x {counts[0]} bins" if len(set(counts)) == 1 else f"{'/'.join(map(str, counts))} bins"
    if isinstance(decode, AnglesDecode):
        return "3 angles"
    return {"quaternion": "quaternion", "matrix": "matrix", "rot6d": "6D rotation"}[decode.kind]


__all__ = ["bins", "ensemble", "family", "resnet", "threeddfa"]
