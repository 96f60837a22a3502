"""Other readings of one network: its angles in another order or of another sign, and its input normalised otherwise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.gate.gate import Runner
from export.sanity.following import Following, answers, following, view_crops
from hpe_edge.spec import AngleHead, AnglesDecode, BinHead, BinsDecode, Decode, Input, ModelSpec

_NAMES = ("yaw", "pitch", "roll")
_SIMPLER_DEG = 1.0  # a reading with more changes must be better than a simpler one by this

# Normalisations that published networks have been trained on: scale, mean, std.
_NORMALISATIONS = {
    "levels from 0 to 255": (1.0, (0.0,) * 3, (1.0,) * 3),
    "level / 255": (1 / 255, (0.0,) * 3, (1.0,) * 3),
    "(level - 127.5) / 128": (1.0, (127.5,) * 3, (128.0,) * 3),
    "(level / 255 - ImageNet's mean) / ImageNet's std": (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


# Units of directly regressed angles, in degrees.
_UNITS = {"": 1.0, "in radians": 180 / math.pi, "in right angles": 90.0, "in half turns": 180.0}


@dataclass(frozen=True)
class Reading:
    """A network read by a spec.

    Attributes:
        words: the difference from the reading that was asked for.
        spec: of this reading.
        found: its answers on the views.
    """

    words: str
    spec: ModelSpec
    found: Following


def read(words: str, spec: ModelSpec, run: Runner, batch: int) -> Reading:
    """Run the views through a network."""
    return Reading(words, spec, following(spec, answers(run, view_crops(spec.crop, spec.input), batch)))


def better_reading(spec: ModelSpec, run: Runner, batch: int, *, other_inputs: bool) -> Reading | None:
    """The simplest other reading that follows the views; None if there is none.

    Args:
        spec: the reading that does not.
        run, batch: the network.
        other_inputs: try other normalisations, too, which takes a run of the network for each.
    """
    found: list[Reading] = []
    inputs = list(_inputs(spec.input))
    for number, (input_words, input) in enumerate(inputs if other_inputs else inputs[:1]):
        outputs = answers(run, view_crops(spec.crop, input), batch)
        for head_words, decode in _decodes(spec.decode):
            words = " and ".join(each for each in (head_words, input_words) if each)
            if not words:
                continue
            other = replace(spec, decode=decode, input=input)
            reading = Reading(words, other, following(other, outputs))
            if not reading.found.doubtful:
                found.append(reading)
        if number == 0 and found:  # the input is as it was asked for
            break
    simplest = None
    for reading in found:  # the simplest first
        if simplest is None or reading.found.score_deg < simplest.found.score_deg - _SIMPLER_DEG:
            simplest = reading
    return simplest


def reordered(decode: Decode) -> Iterator[tuple[tuple[int, ...], BinsDecode | AnglesDecode]]:
    """The decode with its three heads in each order; none for a rotation.

    Heads that lie side by side in one output are laid out anew, so that they may be of different widths. Others take
    each other's places, where these are as wide.

    Yields:
        The number of the place that each of yaw, pitch and roll takes, and the decode; the first is the decode itself.
    """
    if not isinstance(decode, BinsDecode | AnglesDecode):
        return
    heads = [getattr(decode, name) for name in _NAMES]
    for order in itertools.permutations(range(3)):
        if _side_by_side(heads):
            yield order, with_heads(decode, _laid_out(heads, order))
            continue
        moved = [_moved(head, heads[at]) for head, at in zip(heads, order, strict=True)]
        if all(moved):
            yield order, with_heads(decode, moved)


def _side_by_side(heads: Sequence[BinHead | AngleHead]) -> bool:
    ordered = sorted(heads, key=lambda head: head.column)
    one = len({head.output for head in heads}) == 1
    return one and all(a.column + _width(a) == b.column for a, b in itertools.pairwise(ordered))


def _laid_out(heads: Sequence[BinHead | AngleHead], order: tuple[int, ...]) -> list[BinHead | AngleHead]:
    ranks = sorted(range(3), key=lambda at: heads[at].column)
    column = heads[ranks[0]].column
    found = list(heads)
    for place in ranks:
        angle = order.index(place)
        found[angle] = replace(heads[angle], column=column)
        column += _width(heads[angle])
    return found


def _width(head: BinHead | AngleHead) -> int:
    return head.count if isinstance(head, BinHead) else 1


def with_heads(decode: BinsDecode | AnglesDecode, heads: Sequence[Any]) -> BinsDecode | AnglesDecode:
    """The decode with other heads for yaw, pitch and roll."""
    yaw, pitch, roll = heads
    return replace(decode, yaw=yaw, pitch=pitch, roll=roll)


def _moved(head: BinHead | AngleHead, place: BinHead | AngleHead) -> BinHead | AngleHead | None:
    """The head, read from another's columns; None if they are of another number."""
    if isinstance(head, BinHead) and isinstance(place, BinHead) and head.count != place.count:
        return None
    return replace(head, output=place.output, column=place.column)


def _decodes(decode: Decode) -> Iterator[tuple[str, Decode]]:
    """The decode and its like: other orders first, then other signs too; the first is the decode itself."""
    signs = sorted(itertools.product((1.0, -1.0), repeat=3), key=lambda each: each.count(-1.0))
    if not isinstance(decode, BinsDecode | AnglesDecode):
        for sign in signs:
            yaw, pitch, roll = (a * b for a, b in zip(decode.signs, sign, strict=True))
            yield _signs_text(sign), replace(decode, signs=(yaw, pitch, roll))
        return
    orders = list(reordered(decode))
    units = _UNITS if isinstance(decode, AnglesDecode) else {"": 1.0}
    for unit, factor in units.items():
        for sign in signs:
            for order, moved in orders:
                heads = [_scaled(getattr(moved, name), s * factor) for name, s in zip(_NAMES, sign, strict=True)]
                texts = [_order_text(order), _signs_text(sign), f"with its angles {unit}" * bool(unit)]
                yield " and ".join(each for each in texts if each), with_heads(moved, heads)


def _order_text(order: tuple[int, ...]) -> str:
    """Name the angles in the order of the columns, which were taken for yaw, pitch and roll."""
    if order == (0, 1, 2):
        return ""
    at = [_NAMES[order.index(column)] for column in range(3)]
    return f"with {at[0]}, {at[1]}, {at[2]} where yaw, pitch, roll are read"


def _signs_text(signs: tuple[float, ...]) -> str:
    flipped = [name for name, sign in zip(_NAMES, signs, strict=True) if sign < 0]
    return f"with the sign of {' and '.join(flipped)} changed" if flipped else ""


def _scaled(head: BinHead | AngleHead, factor: float) -> BinHead | AngleHead:
    if isinstance(head, AngleHead):
        return replace(head, factor=head.factor * factor)
    return replace(head, first_deg=head.first_deg * factor, step_deg=head.step_deg * factor)


def _inputs(input: Input) -> Iterator[tuple[str, Input]]:
    """The input as it is, then with other normalisations. The order of colours changes too little to be found here."""
    yield "", input
    if input.dtype == "uint8":
        return
    for words, (scale, mean, std) in _NORMALISATIONS.items():
        other = replace(input, scale=scale, mean=mean, std=std)
        if not _alike(input, other):
            yield f"with its input as {words}", other


def _alike(one: Input, two: Input) -> bool:
    """True where black and white become nearly the same values."""
    ends = [
        np.array([(level * each.scale - np.array(each.mean)) / np.array(each.std) for level in (0, 255)])
        for each in (one, two)
    ]
    apart: NDArray[np.float64] = np.abs(ends[0] - ends[1])
    return bool(apart.max() < 0.02 * np.abs(ends[0]).max())
