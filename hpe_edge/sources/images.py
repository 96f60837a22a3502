"""Pictures as a source: a file, a folder, the files that match a pattern, or several of these.

They are turned upright by their EXIF orientation, so boxes and results are in upright pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from hpe_edge.errors import SourceError
from hpe_edge.sources.capture.shape import Shape
from hpe_edge.sources.frame import Frame, Kind
from hpe_edge.sources.picture_list import PictureList, list_folder, list_pattern, list_several
from hpe_edge.sources.read_picture import PICTURE_SUFFIXES, MissingPackageError, read_picture
from hpe_edge.util.console import counted

__all__ = ["PICTURE_SUFFIXES", "Pictures"]


class Pictures:
    """Source of one or several pictures. Implements :class:`hpe_edge.sources.frame.Source`.

    Attributes:
        files: that are read; may be thinned out before the first.
        shape: of the frames; may be changed before the first.
    """

    live = False
    fps = math.nan

    def __init__(self, kind: Kind, name: str, listed: PictureList) -> None:
        self.kind = kind
        self.name = name
        self.files = listed.files
        self.count: int | None = len(listed.files)
        self.notes = listed.notes
        self.shape = Shape()
        self._listed = listed

    @classmethod
    def of_file(cls, path: Path) -> Pictures:
        """Open one picture."""
        return cls("picture", str(path), PictureList([path], path.absolute().parent))

    @classmethod
    def of_folder(cls, path: Path, *, recursive: bool = False) -> Pictures:
        """Open the pictures of a folder; see :func:`hpe_edge.sources.picture_list.list_folder`."""
        return cls("folder", str(path), list_folder(path, recursive=recursive))

    @classmethod
    def of_pattern(cls, pattern: str) -> Pictures:
        """Open the pictures of a pattern; see :func:`hpe_edge.sources.picture_list.list_pattern`."""
        return cls("folder", pattern, list_pattern(pattern))

    @classmethod
    def of_several(cls, given: Sequence[Path | str], *, recursive: bool = False) -> Pictures:
        """Open pictures, folders and patterns; see :func:`hpe_edge.sources.picture_list.list_several`."""
        return cls("folder", f"{given[0]} and {len(given) - 1} more", list_several(given, recursive=recursive))

    def paths(self) -> dict[str, Path]:
        """Return the absolute path of each picture by its name in frames."""
        return {self._listed.name_of(file): file.absolute() for file in self.files}

    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures that can be read; notes report the others.

        Raises:
            SourceError: none can be read.
        """
        bad: list[str] = []
        unsupported = deep = 0
        for index, file in enumerate(self.files):
            try:
                picture = read_picture(file)
            except SourceError as error:
                bad.append(str(error))
                known = isinstance(error, MissingPackageError) and unsupported > 0
                unsupported += isinstance(error, MissingPackageError)
                if self.kind == "folder" and not known:
                    self.notes.append(f"{error}; it was skipped")
                continue
            if picture.animated:
                self.notes.append(f"{file} is animated, and only its first frame is used; convert it to a video")
            if picture.deep:
                deep += 1
                if deep == 1:
                    self.notes.append(f"{file} has more than 8 bits: it was read by its real range, {picture.deep}")
            yield Frame(self._listed.name_of(file), index, math.nan, self.shape(picture.image))
        if deep > 1:
            self.notes.append(f"{counted(deep - 1, 'more picture')} of {self.name} read by their real ranges")
        if len(bad) == len(self.files):
            if self.kind == "picture":
                raise SourceError(bad[0])
            raise SourceError(f"none of {counted(len(bad), 'picture')} in {self.name} can be read; the first: {bad[0]}")
        if unsupported > 1:
            self.notes.append(f"{counted(unsupported - 1, 'more picture')} of {self.name} skipped for that reason")

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`; nothing to do for pictures."""
