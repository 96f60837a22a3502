"""Lists of picture files: of folders, patterns and single files, and the folder that their names are relative to."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpe_edge.errors import InputError, SourceError
from hpe_edge.sources.read_picture import PICTURE_SUFFIXES
from hpe_edge.util.console import counted


@dataclass
class PictureList:
    """Pictures in the order of reading.

    Attributes:
        files: their paths.
        folder: absolute; the deepest one that holds everything that was given. Names of pictures are relative to it.
        notes: messages for the user.
    """

    files: list[Path]
    folder: Path
    notes: list[str] = field(default_factory=list)

    def name_of(self, file: Path) -> str:
        """Return the path of a picture relative to the folder, with slashes."""
        return os.path.relpath(file.absolute(), self.folder).replace(os.sep, "/")


def list_folder(path: Path, *, recursive: bool = False) -> PictureList:
    """List the pictures of a folder in the order of their names; other entries are skipped and counted.

    Args:
        path: the folder.
        recursive: search its subfolders too, but for hidden ones. Links are followed; no folder is read twice.

    Raises:
        SourceError: the folder cannot be read or holds no picture.
    """
    notes: list[str] = []
    entries = list(_below(path, notes)) if recursive else _entries(path)
    files = sorted(f for f in entries if f.suffix.lower() in PICTURE_SUFFIXES and f.name[0] != "." and f.is_file())
    if not files:
        if not entries:
            raise SourceError(f"there is no picture in {path}, it is empty")
        subfolders = "" if recursive else ", and subfolders are searched on request only (--recursive)"
        raise SourceError(
            f"there is no picture in {path}, only {counted(len(entries), 'other entry', 'other entries')}; "
            f"pictures end in {' '.join(sorted(PICTURE_SUFFIXES))}{subfolders}"
        )
    return PictureList(files, _absolute(path), [*notes, *_skipped(len(entries) - len(files), str(path))])


def list_pattern(pattern: str) -> PictureList:
    """List the pictures that match a pattern such as ``photos/*.jpg``, in the order of their paths.

    ``**`` matches any number of folders, without links to folders. Hidden files and folders must be named.

    Raises:
        SourceError: no picture matches.
    """
    entries = sorted(_matches(pattern))
    files = [f for f in entries if f.suffix.lower() in PICTURE_SUFFIXES and f.is_file()]
    if not files:
        raise SourceError(f"{pattern} matches no picture; pictures end in {' '.join(sorted(PICTURE_SUFFIXES))}")
    return PictureList(files, _common(f.parent for f in files), _skipped(len(entries) - len(files), pattern))


def list_several(given: Sequence[Path | str], *, recursive: bool = False) -> PictureList:
    """List the pictures of several files, folders and patterns, in the order given; each file once.

    Args:
        given: existing files and folders, and patterns. A file that is no picture is skipped and counted, as in the
            expansion of ``photos/*`` by a shell.
        recursive: search the folders recursively.

    Raises:
        SourceError: one is missing, or there is no picture at all.
        InputError: recursive, and there is no folder.
    """
    parts: list[PictureList] = []
    others = 0
    empty: dict[Path, str] = {}
    for each in given:
        path = Path(each)
        if path.is_dir():
            try:
                parts.append(list_folder(path, recursive=recursive))
            except SourceError as error:
                empty[_absolute(path)] = str(error)
        elif not path.exists():
            if not is_pattern(path):
                raise SourceError(f"there is no {path}; it is the source {len(parts) + others + 1} of {len(given)}")
            parts.append(list_pattern(str(path)))
        elif path.suffix.lower() in PICTURE_SUFFIXES:
            parts.append(PictureList([path], _absolute(path).parent))
        else:
            others += 1
    if recursive and not any(Path(each).is_dir() for each in given):
        raise not_recursive(", ".join(map(str, given[:3])))
    if not parts:
        raise SourceError(next(iter(empty.values()), f"none of {counted(len(given), 'source')} is a picture"))
    files: dict[Path, Path] = {}
    for part in parts:
        for file in part.files:
            files.setdefault(_absolute(file), file)
    notes = [note for part in parts for note in part.notes] + [f"{each}; it was skipped" for each in empty.values()]
    notes += _skipped(others, "the sources")
    twice = sum(len(part.files) for part in parts) - len(files)
    if twice:
        notes.append(f"{counted(twice, 'picture was', 'pictures were')} named more than once and read once")
    return PictureList(list(files.values()), _common([*(part.folder for part in parts), *empty]), notes)


def is_pattern(path: Path) -> bool:
    """Return True if a name that does not exist has the signs of a pattern."""
    return any(sign in str(path) for sign in "*?[")


def not_recursive(given: str) -> InputError:
    """Create the error for a recursive search without a folder."""
    return InputError(f"a recursive search needs a folder, got {given}; leave out --recursive, or name the folder")


def _matches(pattern: str) -> Iterator[Path]:
    parts = Path(pattern).parts
    if "**" not in parts:
        # Path.glob does not support absolute patterns.
        yield from map(Path, glob.glob(pattern))  # noqa: PTH207
        return
    # glob.glob follows links in **, which takes for ever where several go round in a circle.
    fixed = next(k for k, part in enumerate(parts) if is_pattern(Path(part)))
    top, wild = Path(*parts[:fixed]), parts[fixed:]
    for found in top.glob("/".join(wild) + ("/*" if wild[-1] == "**" else "")):
        hidden = [part for part in found.relative_to(top).parts if part[0] == "."]
        if all(part in wild for part in hidden):
            yield found


def _below(top: Path, notes: list[str]) -> Iterator[Path]:
    """Yield what lies in a folder and its subfolders, but for the searched folders themselves.

    Folders are read before links to folders, so that a file has the name without links where it has one.
    """
    seen = {top.resolve()}
    folders: list[Path] = [top]
    links: list[Path] = []
    while folders or links:
        folder = folders.pop(0) if folders else links.pop(0)
        if folder.is_symlink() and folder is not top:
            if folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
        try:
            entries = _entries(folder)
        except SourceError as error:
            if folder is top:
                raise
            notes.append(f"{error}; it was skipped")
            continue
        for entry in entries:
            if entry.name[0] == "." or not entry.is_dir():
                yield entry
            elif entry.is_symlink():
                links.append(entry)
            elif entry.resolve() not in seen:
                seen.add(entry.resolve())
                folders.append(entry)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror}") from None


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # without resolving links


def _common(folders: Iterable[Path]) -> Path:
    return Path(os.path.commonpath([str(_absolute(folder)) for folder in folders]))


def _skipped(count: int, of: str) -> list[str]:
    one, many = f"entry of {of} is not a picture and was", f"entries of {of} are not pictures and were"
    return [f"{counted(count, one, many)} skipped"] if count else []
