"""One record per face and frame, as CSV or JSON Lines.

Both hold the same fields and digits. What does not exist (the time of a picture, the sigma of a model without
distributions, a pose that is NaN) is an empty field in CSV and null in JSON.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from hpe_edge.atomic import Pending, output_error
from hpe_edge.poses import Poses
from hpe_edge.video import Frame

# Column -> digits after the point; 0 for names and counts.
COLUMNS = {
    **dict.fromkeys(("file", "frame"), 0),
    "time_s": 3,
    "face": 0,
    **dict.fromkeys(("x1", "y1", "x2", "y2"), 2),
    **dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg"), 3),
    **dict.fromkeys(("yaw_sigma_deg", "pitch_sigma_deg", "roll_sigma_deg"), 3),
    **dict.fromkeys(("qw", "qx", "qy", "qz"), 6),
}
Row = dict[str, str | int | float]


def rows(frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> Iterator[Row]:
    """The records of one frame, in the order of COLUMNS."""
    numbers = np.concatenate([boxes, poses.angles, poses.sigma, poses.quaternion], axis=1)
    for face, values in enumerate(numbers.tolist()):
        yield dict(zip(COLUMNS, [frame.name, frame.index, frame.time_s, face, *values], strict=True))


class RecordFile(ABC):
    """A file of records in the making. Implements :class:`hpe_edge.sinks.Sink`."""

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: where to; a device or pipe, such as /dev/stdout, is written to directly.

        Raises:
            OutputError: the place cannot be written to.
        """
        self.path = path
        direct = path.exists() and not path.is_file() and not path.is_dir()
        self.pending = None if direct else Pending(path)
        to = self.pending.temp if self.pending else path
        try:
            # File names that are no UTF-8 pass through as the bytes they are.
            self._file: TextIO = to.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        except OSError as error:
            raise output_error(path, error) from None

    def write(self, frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
        """Append the frame's records.

        Raises:
            OutputError: the disk is full, or the like.
        """
        try:
            for row in rows(frame, boxes, poses):
                self._write_row(row)
        except OSError as error:
            raise output_error(self.path, error) from None

    def finish(self) -> None:
        """Flush and close.

        Raises:
            OutputError: the disk is full, or the like.
        """
        try:
            self._file.close()
        except OSError as error:
            raise output_error(self.path, error) from None

    def abort(self) -> None:
        """Close without asking whether that works."""
        with contextlib.suppress(OSError):
            self._file.close()

    @abstractmethod
    def _write_row(self, row: Row) -> None:
        """Append one record."""


class CsvFile(RecordFile):
    """Records as CSV with a header; lines end in a newline alone."""

    def __init__(self, path: Path) -> None:
        """See RecordFile."""
        super().__init__(path)
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def _write_row(self, row: Row) -> None:
        self._writer.writerow(_csv_field(row[name], digits) for name, digits in COLUMNS.items())


class JsonLinesFile(RecordFile):
    """Records as one JSON object per line."""

    def _write_row(self, row: Row) -> None:
        plain = {name: _json_value(row[name], digits) for name, digits in COLUMNS.items()}
        self._file.write(json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n")


def _csv_field(value: str | int | float, digits: int) -> str | int:
    if not isinstance(value, float):
        return value
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _json_value(value: str | int | float, digits: int) -> str | int | float | None:
    if not isinstance(value, float):
        return value
    return round(value, digits) if math.isfinite(value) else None
