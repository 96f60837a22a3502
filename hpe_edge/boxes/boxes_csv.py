"""Face boxes from a CSV file, such as those of an external detector."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.match_paths import PathMatch
from hpe_edge.errors import SourceError
from hpe_edge.ops.frames import MAX_COORDINATE
from hpe_edge.sources.frame import Frame, Source

_BOX = ("x1", "y1", "x2", "y2")
_OF_RECORDS = "yaw_deg"  # a column that no detector writes
_Key = tuple[str | None, int | None]


class BoxesFile:
    """Boxes of a CSV file with the columns x1, y1, x2, y2 and ``file`` or ``frame`` or both.

    Pictures are matched by their paths, see :class:`hpe_edge.boxes.match_paths.PathMatch`, frames of a video by
    ``frame`` (from 0), and by the video's name as well if there is the column ``file``. Other columns are ignored, so a
    file written by ``--csv`` can be read. A picture or frame without a row has no faces.

    Attributes:
        path: of the file.
        of_records: it was written by ``--csv``, so its boxes are those that the engine took.
    """

    def __init__(
        self,
        path: Path,
        kind: Literal["picture", "folder", "video"],
        pictures: Mapping[str, Path] | None = None,
    ) -> None:
        """Read and check the whole file.

        Args:
            path: the CSV file, UTF-8.
            kind: of the source, see :class:`hpe_edge.sources.frame.Source`.
            pictures: absolute path of each picture by its name in frames; None: only the names are known, as they come.

        Raises:
            SourceError: it cannot be read, a line is invalid (the message has the line number), or a path in it may
                mean several of the pictures.
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
        self._pictures = dict(pictures or {})
        self._paths = {name for name, _ in self._boxes if name is not None}
        self._match = PathMatch(path, self._paths, self._pictures) if kind != "video" else None

    @classmethod
    def for_source(cls, path: Path, source: Source) -> BoxesFile:
        """Read the boxes of a source; see above."""
        from hpe_edge.sources.images import Pictures  # a long chain of imports

        return cls(path, source.kind, source.paths() if isinstance(source, Pictures) else None)

    def __call__(self, frame: Frame) -> NDArray[np.float32]:
        """Return the boxes of a frame, float32 ``[N, 4]``, in the order of the file.

        Raises:
            SourceError: several paths may mean the frame's picture, which was not known before.
        """
        keys = self._keys(frame)
        self._used.update(keys)
        boxes = [box for key in keys for box in self._boxes.get(key, [])]
        return np.asarray(boxes, np.float32).reshape(-1, 4)

    def _keys(self, frame: Frame) -> list[_Key]:
        if self._match is None:
            return [(frame.name if self._by_file else None, frame.index)]
        match = self._match
        if frame.name not in self._pictures:
            match = PathMatch(self.path, self._paths, {frame.name: Path(frame.name)})
        return [(path, None) for path in match(frame.name)]

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
        self.of_records = _OF_RECORDS in header
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
        path = named.get("file")
        if not self._by_frame:
            return path, None
        name = path and PurePosixPath(path.replace("\\", "/")).name
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
