"""Reader of records: a series of poses over time for each identity."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError, SourceError
from hpe_edge.faces.tracker import Tracker
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import NO_ID, Poses

ID_COLUMN = "track"
_BOX = ("x1", "y1", "x2", "y2")
_ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")
_SIGMAS = ("yaw_sigma_deg", "pitch_sigma_deg", "roll_sigma_deg")
_NUMBERS = ("time_s", *_BOX, *_ANGLES, *_SIGMAS)

Row = dict[str, float]


@dataclass(frozen=True)
class Series:
    """One face over time.

    Attributes:
        id: its identity.
        time_s: float64 ``[T]``, never falling.
        boxes: float32 ``[T, 4]``.
        poses: at these times.
    """

    id: int
    time_s: NDArray[np.float64]
    boxes: NDArray[np.float32]
    poses: Poses


def read_series(path: Path) -> list[Series]:
    """Read the records of a video, from ``hpe-edge run --csv`` or ``--jsonl``.

    Faces are identified by the column ``track``, and those without an identity are skipped. If the column is missing or
    empty throughout, their boxes are tracked.

    Args:
        path: CSV, or JSON Lines if it ends in .jsonl.

    Returns:
        One series per identity, in ascending order.

    Raises:
        SourceError: it cannot be read, is not such a file, or holds pictures, which have no time.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise SourceError(f"cannot read the records {path}: {error.strerror}") from None
    rows = _json_rows(path, text) if path.suffix.lower() == ".jsonl" else _csv_rows(path, text)
    of_time: dict[float, list[Row]] = defaultdict(list)
    of_id: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if math.isnan(row["time_s"]):
            raise SourceError(f"{path} holds records of pictures, which have no time; records of a video are needed")
        of_time[row["time_s"]].append(row)
    if not of_time:
        raise SourceError(f"{path} holds no records")
    named = any(row[ID_COLUMN] >= 0 for faces in of_time.values() for row in faces)
    tracker = None if named else Tracker()
    for time_s, faces in sorted(of_time.items()):
        for identity, row in zip(_identities(path, tracker, time_s, faces), faces, strict=True):
            if identity != NO_ID:
                of_id[identity].append(row)
    return [_series(identity, of_id[identity]) for identity in sorted(of_id)]


def _identities(path: Path, tracker: Tracker | None, time_s: float, faces: list[Row]) -> list[int]:
    if tracker is None:
        return [int(row[ID_COLUMN]) if row[ID_COLUMN] >= 0 else NO_ID for row in faces]  # NaN if unknown
    try:
        ids: list[int] = tracker.update(time_s, [[row[name] for name in _BOX] for row in faces]).ids.tolist()
    except InputError as error:
        raise SourceError(f"{path}, at {time_s} s: {error}") from None
    return ids


def _series(identity: int, rows: list[Row]) -> Series:
    table = {name: np.array([row[name] for row in rows]) for name in _NUMBERS}
    boxes, angles, sigma = (
        np.stack([table[name] for name in names], axis=1).astype(np.float32) for names in (_BOX, _ANGLES, _SIGMAS)
    )
    return Series(identity, table["time_s"], boxes, Poses(angles, sigma, rotation_from_euler(angles)))


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))  # not splitlines: names may hold U+2028 or similar
    try:
        for row in reader:
            yield _row(path, reader.line_num, row)
    except csv.Error as error:
        raise SourceError(f"{path} is not CSV: {error}") from None


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    for line, one in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        try:
            row = json.loads(one)
        except ValueError as error:
            raise SourceError(f"{path}, line {line}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise SourceError(f"{path}, line {line}: a record must be a JSON object")
        yield _row(path, line, row)


def _row(path: Path, line: int, fields: dict[str, Any]) -> Row:
    missing = [name for name in _NUMBERS if name not in fields]
    if missing:
        raise SourceError(f"{path}, line {line}: no {' '.join(missing)}; records of hpe-edge run are needed")
    try:
        row = {
            name: math.nan if fields.get(name) in (None, "") else float(fields[name]) for name in (*_NUMBERS, ID_COLUMN)
        }
    except (TypeError, ValueError, OverflowError) as error:
        raise SourceError(f"{path}, line {line}: {error}") from None
    endless = [name for name, value in row.items() if math.isinf(value)]
    if endless:
        raise SourceError(f"{path}, line {line}: too large a number for {' '.join(endless)}")
    return row
