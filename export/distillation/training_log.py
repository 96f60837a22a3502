"""Log of a training as JSON Lines, and its curves as an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.angle_plot import save_png
from hpe_edge.errors import InputError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.util.atomic import output_error

_WIDTH, _HEIGHT, _LEFT, _BETWEEN = 1200, 420, 90, 60
_INK, _GRID, _PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
_LEARNED, _KEPT = (178, 114, 0), (0, 94, 213)  # BGR; Okabe and Ito, Color Universal Design

# Each panel: its title, and the fields of the training faces and of the held-out faces.
_PANELS = (
    ("divergence from the teachers (nats)", "divergence", "kept_divergence"),
    ("distance from the teachers (degrees)", "error_deg", "kept_error_deg"),
)


class TrainingLog:
    """A log that is flushed line by line."""

    def __init__(self, path: Path, size_bytes: int = 0) -> None:
        """
        Args:
            path: the log.
            size_bytes: length to keep of a resumed run's log; the rest is cut off.

        Raises:
            OutputError: it cannot be written.
            InputError: it is shorter than that.
        """
        self._path = path
        if size_bytes and (not path.is_file() or path.stat().st_size < size_bytes):
            raise InputError(f"the log {path} is missing or was cut; remove its folder to start again")
        try:
            self._file = path.open("r+b" if size_bytes else "w+b")
            self._file.truncate(size_bytes)
            lines = self._file.read().decode().splitlines()
        except OSError as error:
            raise output_error(path, error) from None
        self.records: list[dict[str, Any]] = [json.loads(line) for line in lines]

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return self._file.tell()

    def add(self, record: dict[str, Any]) -> None:
        """Append a line.

        Raises:
            OutputError: it cannot be written.
        """
        self.records.append(record)
        try:
            self._file.write(f"{json.dumps(record)}\n".encode())
            self._file.flush()
        except OSError as error:
            raise output_error(self._path, error) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def draw_curves(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a log's curves over the views, with logarithmic vertical axes.

    Raises:
        OutputError: the picture cannot be written.
    """
    image = np.full((2 * _HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    views = np.array([record["views"] for record in records], np.float64)
    for i, (title, learned, kept) in enumerate(_PANELS):
        curves = [np.array([record[name] for record in records], np.float64) for name in (learned, kept)]
        _panel(image[i * _HEIGHT : (i + 1) * _HEIGHT], title, views, curves)
    save_png(path, image)


def _panel(
    image: NDArray[np.uint8], title: str, views: NDArray[np.float64], curves: Sequence[NDArray[np.float64]]
) -> None:
    top, bottom, right = _BETWEEN, _HEIGHT - _BETWEEN, _WIDTH - 40
    logs = [np.log10(np.maximum(curve, 1e-6)) for curve in curves]
    low, high = min(float(log.min()) for log in logs), max(float(log.max()) for log in logs)
    high = max(high, low + 0.1)
    for value in _round_values(10**low, 10**high):
        y = round(bottom - (np.log10(value) - low) / (high - low) * (bottom - top))
        cv2.line(image, (_LEFT, y), (right, y), _GRID, 1)
        cv2.putText(image, f"{value:g}", (8, y + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    cv2.rectangle(image, (_LEFT, top), (right, bottom), _INK, 1)
    cv2.putText(image, title, (_LEFT, top - 14), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
    last = f"0 to {views[-1]:,.0f} views"
    cv2.putText(image, last, (_LEFT, bottom + 26), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    for j, (log, color, name) in enumerate(
        zip(logs, (_LEARNED, _KEPT), ("augmented views, weights", "held-out faces, averaged weights"), strict=True)
    ):
        x = _LEFT + views / views[-1] * (right - _LEFT)
        y = bottom - (log - low) / (high - low) * (bottom - top)
        points = np.rint(np.stack([x, y], axis=1) * 16).astype(np.int32)[:, None]
        cv2.polylines(image, [points], False, color, 2, cv2.LINE_AA, 4)
        place = (right - 330, top + 24 + 24 * j)
        cv2.putText(image, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)


def _round_values(low: float, high: float) -> list[float]:
    """Ticks 1, 2, 5, 10, ... between two values."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    return [digit * 10.0**power for power in powers for digit in (1, 2, 5) if low <= digit * 10.0**power <= high]
