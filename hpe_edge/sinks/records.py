"""Records, one per face and frame, as CSV or JSON Lines, in a file or on standard output, or as a table.

CSV and JSON Lines hold the same fields and digits. A missing value (the time of a picture, the identity of an untracked
face, the sigma of a model without distributions, a pose that is NaN) is an empty field in CSV and null in JSON.

The records of a frame are written and flushed together, so even if the process is killed, the temporary file holds
whole lines, up to the last frame.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np

from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import NO_ID
from hpe_edge.util.atomic import Pending, output_error
from hpe_edge.util.console import show, show_bytes

# Column -> digits after the point; 0 for names and counts.
COLUMNS = {
    **dict.fromkeys(("file", "frame"), 0),
    "time_s": 3,
    **dict.fromkeys(("face", "track"), 0),
    **dict.fromkeys(("x1", "y1", "x2", "y2"), 2),
    "score": 3,
    **dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg"), 3),
    **dict.fromkeys(("yaw_sigma_deg", "pitch_sigma_deg", "roll_sigma_deg"), 3),
    "doubtful": 0,
    **dict.fromkeys(("qw", "qx", "qy", "qz"), 6),
}
# After those, of a whole-picture model.
TRANSLATION_COLUMNS = dict.fromkeys(("x_m", "y_m", "z_m"), 4)
# Then, in a run with a neutral pose or zones.
ATTENTION_COLUMNS = {**dict.fromkeys(("rel_yaw_deg", "rel_pitch_deg", "rel_roll_deg"), 3), "zone": 0}
# Then, of a model with landmarks: x y of each landmark in turn, and its visibility, 0 to 1. A field holds all of them:
# in JSON Lines a list, in CSV its numbers with spaces between, "nan" for unknown ones.
LANDMARK_COLUMNS = {"landmarks": 2, "visibility": 3}
# Last, of a live source: UTC of the frame, as 2026-11-30T21:04:05.678Z.
CLOCK_COLUMNS = {"utc": 0}
Field = str | int | float | bool | list[float] | None
Row = dict[str, Field]

STDOUT: Literal["-"] = "-"
RecordTarget: TypeAlias = "Path | Literal['-']"


def rows(result: Result) -> Iterator[Row]:
    """Yield the records of one frame, with fields in the order of the columns."""
    frame, poses = result.frame, result.poses
    first = np.concatenate([poses.boxes, poses.scores[:, None], poses.angles, poses.sigma], axis=1)
    translations = poses.translation.tolist()
    faces = zip(poses.ids.tolist(), first.tolist(), poses.doubtful.tolist(), poses.quaternion.tolist(), strict=True)
    for face, (track, numbers, doubtful, quaternion) in enumerate(faces):
        known = None if track == NO_ID else track
        fields = [frame.name, frame.index, frame.time_s, face, known, *numbers, doubtful, *quaternion]
        row: Row = dict(zip(COLUMNS, fields, strict=True))
        row.update(zip(TRANSLATION_COLUMNS, translations[face], strict=True))
        if result.attention is not None:
            relative = [*result.attention.angles[face].tolist(), result.attention.zones[face]]
            row.update(zip(ATTENTION_COLUMNS, relative, strict=True))
        if poses.landmarks.shape[1]:
            marks = poses.landmarks[face].ravel().tolist(), poses.visibility[face].tolist()
            row.update(zip(LANDMARK_COLUMNS, marks, strict=True))
        if math.isfinite(frame.utc_s):
            row["utc"] = _utc(frame.utc_s)
        yield row


def _utc(unix_s: float) -> str:
    seconds, milliseconds = divmod(round(1000 * unix_s), 1000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def plain_rows(result: Result, columns: Mapping[str, int] = COLUMNS) -> Iterator[Row]:
    """Yield the records of one frame as JSON Lines hold them: rounded, and None for missing values."""
    for row in rows(result):
        yield {name: _json_value(row.get(name), digits) for name, digits in columns.items()}


class RecordFile(ABC):
    """Records in a file or on standard output. Implements :class:`hpe_edge.sinks.sink.Sink`."""

    pending: Pending | None = None

    def __init__(
        self, to: RecordTarget, *, attention: bool = False, clock: bool = False, translation: bool = False
    ) -> None:
        """
        Args:
            attention: with ATTENTION_COLUMNS; results must have an attention then.
            clock: with CLOCK_COLUMNS, for a live source.
            translation: with TRANSLATION_COLUMNS.
            to: the file; a device or pipe, such as /dev/stdout, is written to directly. ``-``: standard output, which
                gets the header with the first record.

        Raises:
            OutputError: the output cannot be written.
        """
        self.columns = COLUMNS | (TRANSLATION_COLUMNS if translation else {}) | (ATTENTION_COLUMNS if attention else {})
        self._last_columns = CLOCK_COLUMNS if clock else {}
        self._begun = False
        self._unwritten = ""
        self._file: BinaryIO | None = None
        self.path = Path("standard output")
        if isinstance(to, str):
            return
        self.path = to
        direct = to.exists() and not to.is_file() and not to.is_dir()
        self.pending = None if direct else Pending(to)
        try:
            self._file = (self.pending.temp if self.pending else to).open("wb")
        except OSError as error:
            if self.pending is not None:
                self.pending.discard()
            raise output_error(to, error) from None

    def write(self, result: Result) -> None:
        """Append the frame's records.

        Raises:
            OutputError: the disk is full, or the like.
            BrokenPipeError: the reader of standard output has gone.
        """
        if not self._begun:
            self._begin(landmarks=result.poses.landmarks.shape[1] > 0)
        text = self._text(result)
        if self._file is None and not text:
            return
        try:
            self._append(text)
        except OSError as error:
            if self._file is None:  # an end that is no failure, see show_bytes
                raise
            raise output_error(self.path, error) from None

    def finish(self) -> None:
        """Close.

        Raises:
            OutputError: the disk is full, or the like.
        """
        if self._file is None:
            return
        try:
            if not self._begun:
                self._begin(landmarks=False)
                self._append("")
            self._file.close()
        except OSError as error:
            raise output_error(self.path, error) from None

    def abort(self) -> None:
        """Close, ignoring errors."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def _begin(self, *, landmarks: bool) -> None:
        """Settle the columns, with LANDMARK_COLUMNS if the model has landmarks, which the first result shows."""
        self._begun = True
        self.columns |= (LANDMARK_COLUMNS if landmarks else {}) | self._last_columns
        self._unwritten = self._header()

    @abstractmethod
    def _text(self, result: Result) -> str:
        """Format the records of a frame, each with its newline."""

    def _header(self) -> str:
        return ""

    def _append(self, text: str) -> None:
        # File names that are not UTF-8 keep their bytes.
        data = (self._unwritten + text).encode("utf-8", "surrogateescape")
        self._unwritten = ""
        if self._file is None:
            show_bytes(data)
        else:
            self._file.write(data)
            self._file.flush()


class CsvFile(RecordFile):
    """Records as CSV with a header; lines end in LF."""

    def _header(self) -> str:
        return _csv_line(list(self.columns))

    def _text(self, result: Result) -> str:
        columns = self.columns.items()
        return "".join(
            _csv_line([_csv_field(row.get(name), digits) for name, digits in columns]) for row in rows(result)
        )


class JsonLinesFile(RecordFile):
    """Records as one JSON object per line."""

    def _text(self, result: Result) -> str:
        return "".join(map(json_line, plain_rows(result, self.columns)))


def json_line(plain: Row) -> str:
    """Format an object as a line of JSON."""
    return json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"


def _csv_line(fields: list[str | int]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()


def _csv_field(value: Field, digits: int) -> str | int:
    if isinstance(value, list):
        return " ".join(f"{each:.{digits}f}" for each in value)
    if isinstance(value, float):
        return f"{value:.{digits}f}" if math.isfinite(value) else ""
    return "" if value is None else int(value) if isinstance(value, bool) else value


def _json_value(value: Any, digits: int) -> Any:
    if isinstance(value, list):
        return [_json_value(each, digits) for each in value]
    if not isinstance(value, float):
        return value
    return round(value, digits) if math.isfinite(value) else None


class Table:
    """One line per face on standard output, with a ``?`` if it is doubtful. Implements
    :class:`hpe_edge.sinks.sink.Sink`.
    """

    pending: Pending | None = None

    def __init__(self) -> None:
        self._lines = 0

    def write(self, result: Result) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        frame, poses = result.frame, result.poses
        name = frame.name.replace("\n", "\\n")  # one line per face
        faces = zip(
            poses.ids.tolist(), poses.boxes.tolist(), poses.angles.tolist(), poses.doubtful.tolist(), strict=True
        )
        for face, (track, box, angles, doubtful) in enumerate(faces):
            if self._lines == 0:
                columns = ("frame", "face", "track", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll")
                show(" ".join(f"{name:>7}" for name in columns) + "  file")
            self._lines += 1
            known = "-" if track == NO_ID else track
            numbers = [f"{frame.index:7d}", f"{face:7d}", f"{known:>7}", *(f"{v:7.1f}" for v in (*box, *angles))]
            show(f"{' '.join(numbers)} {'?' if doubtful else ' '}{name}")

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
