"""Writes the tables of families into docs/conventions.md, from what the zoo says.

    python docs/family_table.py

Families that agree in all columns share a row. A test holds the page to what this writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export import zoo
from export.zoo.family import Family
from hpe_edge.spec import AnglesDecode, BinHead, BinsDecode, Input

PAGE = Path(__file__).resolve().parent / "conventions.md"

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SQUARE = {
    "extend": "shorter side extended to a square",
    "shrink": "longer side cut to a square",
    "none": "stretched to a square",
}


def tables() -> dict[str, str]:
    """Name of the table in the page -> its Markdown."""
    return {
        "outputs": _table(("`--arch`", "outputs", "the original's order", "what the numbers are"), _outputs),
        "inputs": _table(("`--arch`", "input", "a level 0..255 becomes"), _inputs),
        "crops": _table(("`--arch`", "left, top, right, bottom", "then", "whose crop"), _crop),
    }


def filled(page: str) -> str:
    """The page with the tables between their marks."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} table -->\n", f"<!-- end of {name} table -->"
        assert page.count(begin) == page.count(end) == 1, f"{PAGE.name} must have {begin.strip()} and {end} once"
        page = page[: page.index(begin) + len(begin)] + table + page[page.index(end) :]
    return page


def _table(header: tuple[str, ...], row: Callable[[Family], tuple[str, ...]]) -> str:
    names: dict[tuple[str, ...], list[str]] = {}
    for name in zoo.names():
        names.setdefault(row(zoo.get(name)), []).append(f"`{name}`")
    lines = [header, ("---",) * len(header), *((", ".join(who), *cells) for cells, who in names.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _outputs(family: Family) -> tuple[str, ...]:
    decode = family.decode
    outputs = ", ".join(f"`{name}`" for name in family.outputs)
    if isinstance(decode, BinsDecode):
        heads = {"yaw": decode.yaw, "pitch": decode.pitch, "roll": decode.roll}
        grids: dict[str, list[str]] = {}
        for angle, head in heads.items():
            grids.setdefault(_grid(head), []).append(angle)
        what = "; ".join(f"{', '.join(angles)}: {grid}" for grid, angles in grids.items())
        what = what if len(grids) > 1 else next(iter(grids))
        what += "; turns of R = Rz(roll) Rx(−pitch) Ry(yaw)" * (decode.order == "zxy")
        return outputs, ", ".join(family.original_order), what
    if isinstance(decode, AnglesDecode):
        factors = [decode.yaw.factor, decode.pitch.factor, decode.roll.factor]
        what = "degrees" if factors == [1, 1, 1] else f"times {', '.join(map(_number, factors))}: degrees"
        return outputs, ", ".join(family.original_order), what
    form = {"rot6d": "6D: the first two columns", "matrix": "row by row", "quaternion": "w x y z"}[decode.kind]
    angles = zip(decode.signs, ("yaw", "pitch", "roll"), strict=True)
    yaw, pitch, roll = ("−" * (sign < 0) + angle for sign, angle in angles)
    return outputs, "", f"{form} of Rz({roll}) Ry({yaw}) Rx({pitch})"


def _grid(head: BinHead) -> str:
    """Bins symmetric about 0 are named by their centres; half a step lower, by their lower edges."""
    middle = head.first_deg + (head.count - 1) * head.step_deg / 2
    named = {0.0: "centres", -head.step_deg / 2: "lower edges"}[middle]
    sign, first = ("−", -head.first_deg) if head.first_deg < 0 else ("+", head.first_deg)
    circle = ", circular mean" if head.circular else ""
    return f"{head.count} bins, k·{_number(head.step_deg)} {sign} {_number(first)}, {named}{circle}"


def _inputs(family: Family) -> tuple[str, ...]:
    made = family.input
    return f"{made.size} × {made.size} {made.color}", _normalisation(made)


def _normalisation(made: Input) -> str:
    level = "level" if made.scale == 1 else f"level / {_number(1 / made.scale)}"
    if (made.mean, made.std) == _IMAGENET:
        return f"({level} − mean) / std, both ImageNet's"
    (mean,), (std,) = set(made.mean), set(made.std)
    if (mean, std) == (0, 1):
        return level
    return f"({level} − {_number(mean)}) / {_number(std)}"


def _crop(family: Family) -> tuple[str, ...]:
    crop = family.crop
    assert crop.clip or crop.fill == (0, 0, 0)
    margins = ", ".join(_number(round(margin, 4)) for margin in crop.margins)
    edges = "cut at the frame's edges" if crop.clip else "black beyond the frame"
    return margins, f"{_SQUARE[crop.square]}, {edges}, {crop.resampling}", family.crop_note


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
