"""Detections of the teachers, and their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

YUNET, SCRFD, SCRFD_SMALL, CENTERFACE = "yunet", "scrfd-2.5g", "scrfd-500m", "centerface"


@dataclass(frozen=True)
class Found:
    """One detection by one teacher in one view.

    Attributes:
        teacher: its name.
        score: 0..1.
        box: float64 ``[4]`` x1 y1 x2 y2 in the view, chin to eyebrows by the teacher's fit.
        points: float64 ``[5, 2]`` in the view, the person's right eye first (also where mirrored).
        back: float64 ``[2, 3]``, from the view to the picture.
    """

    teacher: str
    score: float
    box: NDArray[np.float64]
    points: NDArray[np.float64]
    back: NDArray[np.float64]

    def to_json(self) -> list[Any]:
        """Return plain numbers."""
        numbers = (self.box, self.points, self.back)
        return [self.teacher, round(self.score, 4), *(np.round(array.ravel(), 4).tolist() for array in numbers)]

    @classmethod
    def from_json(cls, plain: Sequence[Any]) -> Found:
        """Return the detection that :meth:`to_json` described."""
        teacher, score, *numbers = plain
        box, points, back = (np.array(each, np.float64) for each in numbers)
        return cls(teacher, score, box, points.reshape(5, 2), back.reshape(2, 3))


def read_found(path: Path) -> dict[str, tuple[tuple[int, int], list[Found]]]:
    """Read width and height of the pictures and their detections; a broken last line is left out."""
    result = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            plain = json.loads(line)
        except ValueError:
            continue
        result[plain["file"]] = ((*plain["size"],), [Found.from_json(each) for each in plain["found"]])
    return result
