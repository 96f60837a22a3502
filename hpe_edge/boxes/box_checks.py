"""Checks of boxes from elsewhere: mistakes that give plausible but wrong angles.

Fractions of the frame are refused. The other signs are not certain, so they are warned about: x y width height read as
x1 y1 x2 y2, boxes that lie wholly outside the frame, and boxes of a detector that were not converted.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import BoxesWarning, InputError
from hpe_edge.ops.native import native

_FRACTION = 1.5  # fractions of a face that leaves the frame exceed 1; a box within 1.5 pixels holds no face
# Height by width. Of the landmark boxes of 195 AFLW2000 photos, |yaw| up to 90 degrees, 98 % lie within 0.8 to 1.25;
# YuNet's and SCRFD's own boxes have a median of 1.37. No face is two and a half times as high as wide.
_TALLEST_FACE = 1.27
_FLATTEST, _HIGHEST, _PLAUSIBLE = 0.4, 2.5, 1.8
_TINY_FRAME = 8  # pixels; of these, boxes of a pixel are not fractions


class BoxChecks:
    """Checks of the boxes that are given to one engine; each warning is given once."""

    def __init__(self) -> None:
        self._warned: set[str] = set()
        self._signs = native.BoxSigns(fraction=_FRACTION, flattest=_FLATTEST, highest=_HIGHEST, tallest=_TALLEST_FACE)

    def __call__(self, boxes: NDArray[np.float32], width: int, height: int, *, fitted: bool) -> None:
        """Check the boxes of a frame.

        Args:
            boxes: ``[N, 4]``, x1 y1 x2 y2 in pixels, x1 < x2 and y1 < y2, as given, before a conversion.
            width, height: of the frame in pixels.
            fitted: the caller named their detector, so that they are converted.

        Raises:
            InputError: they are fractions of the frame.

        Warns:
            BoxesWarning: see the module.
        """
        if not self._signs.any(boxes, width, height, fitted):  # of most frames; the rest looks closer
            return
        # As plain numbers in one loop: for a few faces that is faster than NumPy.
        ratios, fractions = [], max(width, height) > _TINY_FRAME
        for row in boxes.tolist():
            x1, y1, x2, y2 = row
            if x2 > _FRACTION or y2 > _FRACTION or x1 < -_FRACTION or y1 < -_FRACTION:
                fractions = False
            ratio = (y2 - y1) / (x2 - x1)
            ratios.append(ratio)
            if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
                self._warn(
                    "outside",
                    f"the box {_short(row)} lies wholly outside the frame of {width} x {height} pixels; was it made at "
                    "another size?",
                )
            elif not _FLATTEST < ratio < _HIGHEST and _is_face_xywh(x1, y1, x2, y2, width, height):
                self._warn(
                    "xywh",
                    f"the box {_short(row)} looks like x, y, width, height; boxes are x1 y1 x2 y2: pass x, y, "
                    "x + width, y + height",
                )
        if fractions and ratios:
            raise InputError(
                f"the boxes look like fractions of the frame, such as {_short(boxes[0].tolist())}; give pixels: "
                f"multiply x by {width} and y by {height}"
            )
        if not fitted and ratios and _TALLEST_FACE < (middle := sorted(ratios)[len(ratios) // 2]) < _HIGHEST:
            self._warn(
                "tall",
                f"the boxes are {middle:.2f} times as high as wide, as detectors draw them around the whole face; "
                "the model expects chin to eyebrows, so the angles would be off: name the detector with "
                "boxes_from=, or measure it with `hpe-edge fit-boxes`; boxes_from='landmarks' takes them as they are",
            )

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(message, BoxesWarning, stacklevel=5)


def _is_face_xywh(x: float, y: float, wide: float, high: float, width: int, height: int) -> bool:
    """Return True if the numbers are a plausible face within the frame as x, y, width, height."""
    inside = x >= 0 and y >= 0 and x + wide <= width and y + high <= height
    return inside and wide > 0 and 1 / _PLAUSIBLE < high / wide < _PLAUSIBLE


def _short(row: list[float]) -> str:
    return f"[{', '.join(f'{number:.4g}' for number in row)}]"
