"""What is cut out around a box: a model's own crop, or one that is the same for all models."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge import Crop

OWN = "own"
SYNTAX = (
    f"{OWN}: the model's own (default); a number such as 1.3: a square of so many times the box's longer side; "
    "whole-1.3: the same in whole pixels, cut off at the photo's edges and stretched; hopenet: HopeNet's margins for "
    "AFLW2000, in whole pixels"
)

# A window is cut as it stands: what a crop does beyond that, it has done.
AS_CUT = Crop(margins=(0.0, 0.0, 0.0, 0.0), square="none")

Box = NDArray[np.float32]
# From a box and the photo's width and height to a window, both x1 y1 x2 y2 in pixels.
Window = Callable[[Box, tuple[int, int]], Box]


@dataclass(frozen=True)
class CropRule:
    """A crop, and how it is called in results; ``window`` is None for the model's own."""

    name: str
    window: Window | None


def crop_rule(text: str) -> CropRule:
    """What an argument asks for, see SYNTAX.

    Raises:
        ValueError: it is none of these; the message says so.
    """
    if text == OWN:
        return CropRule("the model's own", None)
    if text == "hopenet":
        return CropRule("HopeNet's margins", hopenet)
    try:
        side = float(text.removeprefix("whole-"))
    except ValueError:
        side = math.nan
    if not 0 < side <= 10:
        raise ValueError(f"{text!r} is no crop; {SYNTAX}")
    name = f"square of {side:g} times the box"
    if text.startswith("whole-"):
        return CropRule(f"{name}, whole pixels", lambda box, size_wh: whole_square(box, size_wh, side))
    return CropRule(name, lambda box, size_wh: square(box, side))


def square(box: Box, side: float) -> Box:
    """The square about the box's middle; it may leave the photo."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() * np.float32(side) / 2
    return np.concatenate([middle - half, middle + half])


def whole_square(box: Box, size_wh: tuple[int, int], side: float) -> Box:
    """The square as scripts cut it that index an array with whole numbers.

    A corner left of or above the photo goes to its edge and the window keeps its side; beyond the other edges it ends.
    """
    x1, y1, x2, y2 = box.tolist()
    length = max(x2 - x1, y2 - y1) * side
    left, top = (int(max((low + high - length) / 2, 0.0)) for low, high in ((x1, x2), (y1, y2)))
    right, bottom = (min(start + int(length), end) for start, end in zip((left, top), size_wh, strict=True))
    return np.array([left, top, right, bottom], np.float32)


def hopenet(box: Box, size_wh: tuple[int, int]) -> Box:
    """HopeNet's margins for AFLW2000, on whole pixels and inside the photo; stretched to the input.

    Its test code moves one side after the other, each by a share of the box as already grown: 0.4 left, 0.4 top, 0.4 of
    1.4 right, 0.12 of 1.4 bottom.
    """
    x1, y1, x2, y2 = box.astype(np.float64).tolist()
    x1 -= 0.4 * (x2 - x1)
    y1 -= 0.4 * (y2 - y1)
    x2 += 0.4 * (x2 - x1)
    y2 += 0.12 * (y2 - y1)
    # The last column and row are part of the window.
    low = [min(max(int(v), 0), end - 1) for v, end in zip((x1, y1), size_wh, strict=True)]
    high = [min(max(int(v), 0), end - 1) + 1 for v, end in zip((x2, y2), size_wh, strict=True)]
    return np.array([*low, *high], np.float32)
