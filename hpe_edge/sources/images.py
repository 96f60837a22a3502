"""Pictures as a source: a file, a folder, or the files that match a pattern.

They are turned upright by their EXIF orientation (OpenCV's default), so boxes and results are in upright pixels.
"""

from __future__ import annotations

import glob
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import SourceError
from hpe_edge.sources.frame import Frame, Kind, checked_sides
from hpe_edge.util.console import counted

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


class Pictures:
    """Source of one or several pictures. Implements :class:`hpe_edge.sources.frame.Source`."""

    live = False
    fps = math.nan

    def __init__(self, kind: Kind, name: str, files: list[Path]) -> None:
        self.kind = kind
        self.name = name
        self.files = files
        self.count: int | None = len(files)
        self.notes: list[str] = []

    @classmethod
    def of_folder(cls, path: Path) -> Pictures:
        """Open the pictures of a folder in the order of their names; other entries are skipped and counted.

        Raises:
            SourceError: the folder cannot be read or holds no picture.
        """
        try:
            entries = sorted(path.iterdir())
        except OSError as error:
            raise SourceError(f"cannot read the folder {path}: {error.strerror}") from None
        files = [f for f in entries if f.suffix.lower() in PICTURE_SUFFIXES and f.name[0] != "." and f.is_file()]
        if not files:
            raise SourceError(
                f"there is no picture in {path}, only {counted(len(entries), 'other entry', 'other entries')}; "
                f"pictures end in {' '.join(sorted(PICTURE_SUFFIXES))}, and subfolders are not searched"
            )
        source = cls("folder", str(path), files)
        source._note_skipped(len(entries) - len(files), str(path))
        return source

    @classmethod
    def of_pattern(cls, pattern: str) -> Pictures:
        """Open the pictures that match a pattern such as ``photos/*.jpg``, in the order of their paths.

        ``**`` matches any number of folders.

        Raises:
            SourceError: no picture matches, or two have the same file name, which is ambiguous in results.
        """
        # Path.glob does not support absolute patterns.
        entries = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207
        files = [f for f in entries if f.suffix.lower() in PICTURE_SUFFIXES and f.is_file()]
        if not files:
            raise SourceError(
                f"{pattern} matches no picture; pictures end in {' '.join(sorted(PICTURE_SUFFIXES))}, and a pattern "
                "needs quotes in a shell"
            )
        name, count = Counter(f.name for f in files).most_common(1)[0]
        if count > 1:
            raise SourceError(f"{pattern} matches {count} pictures called {name}, which is ambiguous in results")
        source = cls("folder", pattern, files)
        source._note_skipped(len(entries) - len(files), pattern)
        return source

    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures that can be read; notes report the others.

        Raises:
            SourceError: none can be read.
        """
        bad: list[str] = []
        for index, file in enumerate(self.files):
            try:
                image, animated = _read_picture(file)
            except SourceError as error:
                bad.append(str(error))
                if self.kind == "folder":
                    self.notes.append(f"{error}; it was skipped")
                continue
            if animated:
                self.notes.append(f"{file} is animated, and only its first frame is used; convert it to a video")
            yield Frame(file.name, index, math.nan, image)
        if len(bad) == len(self.files):
            if self.kind == "picture":
                raise SourceError(bad[0])
            raise SourceError(f"none of {counted(len(bad), 'picture')} in {self.name} can be read; the first: {bad[0]}")

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`; nothing to do for pictures."""

    def _note_skipped(self, count: int, of: str) -> None:
        if count:
            one, many = f"entry of {of} is not a picture and was", f"entries of {of} are not pictures and were"
            self.notes.append(f"{counted(count, one, many)} skipped")


def _read_picture(file: Path) -> tuple[NDArray[np.uint8], bool]:
    """Read a picture; return it, and True if it is the first of an animation."""
    try:
        data = file.read_bytes()
        # Not by cv2.imread, which cannot open all names.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}") from None
    except cv2.error:  # empty, or more pixels than OpenCV takes
        image = None
    if image is None:
        raise SourceError(
            f"{file} cannot be read: damaged, in another format than its extension, or of a size or pixel type that "
            "OpenCV does not read; convert it to an 8-bit PNG or JPEG"
        )
    # WebP's extended header: its flags follow 8 bytes of RIFF, 8 of WEBPVP8X and 4 of size; bit 1 is for animation.
    return checked_sides(str(file), image), data[8:16] == b"WEBPVP8X" and bool(data[20] & 2)
