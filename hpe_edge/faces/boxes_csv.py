"""Face boxes from a CSV file, such as those of an external detector."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError
from hpe_edge.ops.frames import MAX_COORDINATE
from hpe_edge.sources.frame import Frame

_BOX = ("x1", "y1", "x2", "y2")
_Key = tuple[str | None, int | None]


class BoxesFile:
    """Boxes of a CSV file with the columns x1, y1, x2, y2 and ``file`` or ``frame`` or both.

    Pictures are matched by their file name, frames of a video by ``frame`` (from 0), and by ``file`` as well if that
    column exists. Other columns are ignored, so a file written by ``--csv`` can be read. A picture or frame without a
    row has no faces.
    """

    def __init__(self, path: Path, kind: Literal["picture", "folder", "video"]) -> None:
        """Read and check the whole file.

        Args:
            path: the CSV file, UTF-8.
            kind: of the source, see :class:`hpe_edge.sources.frame.Source`.

        Raises:
            SourceError: it cannot be read, or a line is invalid; the message has the line number.
        """
        self.path = path
        self._boxes: dict[_Key, list[list[float]]] = defaultdict(list)
        self._used: set[_Key] = set()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise SourceError(f"cannot read the boxes file {path}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise SourceError(f"the boxes file {path} is not CSV in UTF-8: {error}") from None
        try:
            self._read(text, kind)
        except csv.Error as error:
            raise SourceError(f"the boxes file {path} is not CSV: {error}") from None

    def __call__(self, frame: Frame) -> NDArray[np.float32]:
        """Return the boxes of a frame, float32 ``[N, 4]``, in the order of the file."""
        key = (frame.name if self._by_file else None, frame.index if self._by_frame else None)
        self._used.add(key)
        return np.asarray(self._boxes.get(key, []), np.float32).reshape(-1, 4)

    @property
    def unused(self) -> int:
        """Number of boxes whose frame was never requested."""
        return sum(len(boxes) for key, boxes in self._boxes.items() if key not in self._used)

    def _read(self, text: str, kind: Literal["picture", "folder", "video"]) -> None:
        reader = csv.reader(io.StringIO(text, newline=""))
        header = [name.strip() for name in next(reader, [])]
        if not header:
            raise SourceError(f"the boxes file {self.path} is empty; its first line must name the columns")
        missing = [name for name in _BOX if name not in header]
        if missing:
            raise SourceError(
                f"{self.path}, line 1: no column {' '.join(missing)}; it must name x1,y1,x2,y2 and file or frame, "
                f"got {','.join(header)[:100]!r}"
            )
        needed = "frame" if kind == "video" else "file"
        if needed not in header:
            what = "a video needs the column frame (from 0)" if kind == "video" else "pictures need the column file"
            raise SourceError(f"{self.path}, line 1: {what}, got {','.join(header)[:100]!r}")
        self._by_file = "file" in header
        self._by_frame = kind == "video"
        columns = {name: header.index(name) for name in (*_BOX, "file", "frame") if name in header}
        twice = [name for name in columns if header.count(name) > 1]
        if twice:
            raise SourceError(
                f"{self.path}, line 1: more than one column {' '.join(twice)}; keep the one that is meant, "
                f"got {','.join(header)[:100]!r}"
            )
        for fields in reader:
            line = reader.line_num
            if not any(field.strip() for field in fields):
                continue
            if len(fields) <= max(columns.values()):
                raise SourceError(f"{self.path}, line {line}: {len(header)} fields expected, got {len(fields)}")
            named = {name: fields[at].strip() for name, at in columns.items()}
            self._boxes[self._key(named, line)].append(self._box(named, line))

    def _key(self, named: dict[str, str], line: int) -> _Key:
        # Also Windows paths; the name suffices, because names of pictures are unique in a source.
        name = PurePosixPath(named["file"].replace("\\", "/")).name if self._by_file else None
        if not self._by_frame:
            return name, None
        try:
            number = float(named["frame"])
        except ValueError:
            number = math.nan
        if not (number >= 0 and number.is_integer()):
            raise SourceError(f"{self.path}, line {line}: frame must be 0, 1, 2, ..., got {named['frame']!r}")
        return name, int(number)

    def _box(self, named: dict[str, str], line: int) -> list[float]:
        box = []
        for column in _BOX:
            try:
                value = float(named[column])
            except ValueError:
                raise SourceError(f"{self.path}, line {line}: {column} is no number: {named[column]!r}") from None
            if not abs(value) <= MAX_COORDINATE:  # NaN as well
                raise SourceError(
                    f"{self.path}, line {line}: {column} must be within {MAX_COORDINATE:.0f} pixels, "
                    f"got {named[column]}"
                )
            box.append(value)
        if not (box[0] < box[2] and box[1] < box[3]):
            raise SourceError(
                f"{self.path}, line {line}: x1 < x2 and y1 < y2 must hold (x1 y1 x2 y2, not x y width height), "
                f"got {box}"
            )
        return box
