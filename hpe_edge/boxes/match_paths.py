"""Matching of the paths in a file of boxes to the pictures of a source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from hpe_edge.errors import SourceError

_Parts = tuple[str, ...]


class PathMatch:
    """Paths of a file's rows by picture.

    A path belongs to the picture of that name; else to the one whose absolute path ends in it; else to the one whose
    name it ends in, such as that of a folder that was moved, unless a path of the other kinds belongs to that picture.
    """

    def __init__(self, file: Path, rows: Collection[str], pictures: Mapping[str, Path]) -> None:
        """
        Args:
            file: names the file in messages.
            rows: the different paths in it, with slashes or backslashes.
            pictures: absolute path of each picture by its name.

        Raises:
            SourceError: a path may mean several pictures, or several paths may mean one.
        """
        parts = {row: _parts(row) for row in rows}
        names = {_parts(name): name for name in pictures}
        ends = _by_end(pictures, {len(each) for each in parts.values()})
        sure: dict[str, list[str]] = defaultdict(list)
        likely: dict[str, list[str]] = defaultdict(list)
        for row, path in parts.items():
            found = [names[path]] if path in names else ends.get(path, [])
            if len(found) > 1:
                raise SourceError(
                    f"{file}: {row} may be {found[0]} or {found[1]}; give more of the path in the column file"
                )
            if found:
                sure[found[0]].append(row)
                continue
            name = next((names[path[at:]] for at in range(1, len(path)) if path[at:] in names), None)
            if name is not None:
                likely[name].append(row)
        for name, rivals in likely.items():
            if name not in sure and len(rivals) > 1:
                raise SourceError(
                    f"{file}: the boxes of {name} may be those of {rivals[0]} or {rivals[1]}; name it in the column "
                    f"file as {pictures[name]}"
                )
        self._rows = {name: sure.get(name) or likely.get(name, []) for name in pictures}

    def __call__(self, name: str) -> list[str]:
        """Return the paths that belong to a picture."""
        return self._rows.get(name, [])


def _by_end(pictures: Mapping[str, Path], lengths: Collection[int]) -> dict[_Parts, list[str]]:
    """Return the pictures by the last parts of their absolute paths, for these numbers of parts."""
    ends: dict[_Parts, list[str]] = defaultdict(list)
    for name, path in pictures.items():
        whole = _parts(str(path))
        for length in lengths:
            if 0 < length <= len(whole):
                ends[whole[-length:]].append(name)
    return ends


def _parts(path: str) -> _Parts:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
