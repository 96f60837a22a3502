"""``python -m export.onnx --list``: every family, what it reads and gives, and the accuracy reported for it."""

from __future__ import annotations

from export import zoo
from hpe_edge.spec import AnglesDecode, BinsDecode, Decode, QuaternionDecode


def listing() -> str:
    """All families: name, input, heads and millions of parameters in a row, and below it whose they are."""
    families = [zoo.get(name) for name in zoo.names()]
    width = max(len(family.name) for family in families)
    lines = [f"{'--arch':<{width}}  {'input':<8}  {'heads':<14}  parameters"]
    for family in families:
        made = family.input
        row = f"{family.name:<{width}}  {made.size:>3} {made.color}   {heads(family.decode):<14}  "
        lines += [
            f"{row}{family.parameters / 1e6:>8.2f} M",
            f"    {family.title}",
            f"    {family.source}",
            f"    reported: {family.published}",
        ]
    return "\n".join(lines)


def heads(decode: Decode) -> str:
    """What a network gives for a face, in a word."""
    if isinstance(decode, BinsDecode):
        counts = [head.count for head in (decode.yaw, decode.pitch, decode.roll)]
        return f"3 x {counts[0]} bins" if len(set(counts)) == 1 else f"{'/'.join(map(str, counts))} bins"
    if isinstance(decode, AnglesDecode):
        return "3 angles"
    return "quaternion" if isinstance(decode, QuaternionDecode) else "6D rotation"
