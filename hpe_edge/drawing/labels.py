"""Face labels: identity, angles and sigma on a black background, placed with the least occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.strokes import BLACK, WHITE, Color, Image
from hpe_edge.opencv.lazy import cv2

Float64Array = NDArray[np.float64]

_FONT_PIXELS = 22.0  # height of one of its capitals at scale 1
_LUMA = (0.114, 0.587, 0.299)  # of BGR
_FOREHEAD = 0.25  # of the box's height: boxes end at the eyebrows, faces do not


@dataclass(frozen=True)
class Label:
    """Label of a face.

    Attributes:
        name: of the face, on a background of its colour; may be empty.
        color: of that background, BGR.
        lines: of text, on black.
        capital: height of a capital letter in pixels.
    """

    name: str
    color: Color
    lines: tuple[str, ...]
    capital: float

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._name_width + max(map(self._width, self.lines)), len(self.lines) * self._row + self._pad

    def draw(self, frame: Image, left: int, top: int) -> None:
        """Draw the label with its top-left corner at ``left``, ``top``."""
        width, height = self.size
        text_left, bottom = left + self._name_width, top + height - 1
        cv2.rectangle(frame, (text_left, top), (left + width - 1, bottom), BLACK, cv2.FILLED)
        if self.name:
            cv2.rectangle(frame, (left, top), (text_left - 1, bottom), self.color, cv2.FILLED)
            luma = sum(share * level for share, level in zip(_LUMA, self.color, strict=True))
            self._write(frame, self.name, left, top, WHITE if luma < 100 else BLACK)
        for row, line in enumerate(self.lines):
            self._write(frame, line, text_left, top + row * self._row, WHITE)

    def _write(self, frame: Image, text: str, left: int, top: int, color: Color) -> None:
        at = (left + self._pad, top + self._pad + round(self.capital))
        cv2.putText(
            frame, text, at, cv2.FONT_HERSHEY_SIMPLEX, self.capital / _FONT_PIXELS, color, self._stroke, cv2.LINE_AA
        )

    def _width(self, text: str) -> int:
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self.capital / _FONT_PIXELS, self._stroke)
        return width + 2 * self._pad

    @cached_property
    def _name_width(self) -> int:
        return self._width(self.name) if self.name else 0

    @cached_property
    def _row(self) -> int:
        return round(self.capital) + self._stroke + self._pad

    @cached_property
    def _pad(self) -> int:
        return max(2, round(0.4 * self.capital))

    @cached_property
    def _stroke(self) -> int:
        return max(1, round(self.capital / 10))


def draw_labels(frame: Image, boxes: Float64Array, labels: list[Label]) -> None:
    """Draw the label of each box, above it or where it covers less of faces and other labels.

    Args:
        frame: drawn on in place.
        boxes: ``[N, 4]``, x1 y1 x2 y2 in pixels, chin to eyebrows.
        labels: of the N boxes. The last are placed first: they belong to the nearest faces.
    """
    if not labels:
        return
    faces = boxes.copy()
    faces[:, 1] -= _FOREHEAD * (boxes[:, 3] - boxes[:, 1])
    places = _places(faces, labels, frame.shape)
    hidden = _overlaps(places[:, :, None], faces).sum(axis=2)
    for i in reversed(range(len(labels))):
        place = places[i, np.argmin(hidden[i])]
        labels[i].draw(frame, round(place[0]), round(place[1]))
        hidden += 2 * _overlaps(places, place)  # a covered label is unreadable, a covered face is not


def _places(faces: Float64Array, labels: list[Label], shape: tuple[int, ...]) -> Float64Array:
    """Return candidate rectangles of each label, ``[N, K, 4]``, preferred first, within the frame if the label fits."""
    sizes = np.array([label.size for label in labels], np.float64)
    width, height = sizes.T
    gap = np.array([label.capital / 4 for label in labels])
    x1, y1, x2, y2 = faces.T
    x, y = (x1 + x2 - width) / 2, (y1 + y2 - height) / 2
    above, below, left, right = y1 - gap - height, y2 + gap, x1 - gap - width, x2 + gap
    corners = np.array(
        [
            (x, above),
            (x, below),
            (x1, above),
            (x2 - width, above),
            (x1, below),
            (x2 - width, below),
            (right, y),
            (left, y),
            (x, above - height),
            (x, below + height),
        ]
    ).transpose(2, 0, 1)
    room = np.array([shape[1], shape[0]]) - sizes
    corners = np.rint(np.maximum(np.minimum(corners, room[:, None]), 0))
    return np.concatenate([corners, corners + sizes[:, None]], axis=2)


def _overlaps(a: Float64Array, b: Float64Array) -> Float64Array:
    """Return the intersection areas of rectangles ``[..., 4]``."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    areas: Float64Array = np.clip(sides, 0, None).prod(axis=-1)
    return areas
