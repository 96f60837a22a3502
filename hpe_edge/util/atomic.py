"""Atomic output: results are written beside their final path and renamed when complete.

The final path never holds an incomplete result, even if the process is killed. All outputs follow one rule: a complete
one is renamed, one stopped by the user is kept as NAME.partial.EXT, and a failed one is removed.
"""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from hpe_edge.errors import OutputError


class Pending:
    """Temporary file or folder ``temp`` of an output; end with commit, keep_partial or discard."""

    def __init__(self, path: Path, *, folder: bool = False) -> None:
        """Create the temporary file or folder, which also checks that the output can be written.

        Args:
            path: final path. An existing file is replaced by ``commit``; a folder must be new or empty.
            folder: create a folder.

        Raises:
            OutputError: the parent folder is missing or not writable, or the name is taken by something else.
        """
        self.path = path.resolve()  # a link's target is replaced, not the link
        self.partial = self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}")
        self._folder = folder
        _check_parent(self.path)
        (_check_free_folder if folder else _check_file_name)(self.path, self.partial)
        # OpenCV picks the container by the extension, so the temporary name ends in it as well.
        self.temp = self.path.with_name(f".{self.path.stem}.{secrets.token_hex(4)}.tmp{self.path.suffix}")
        try:
            if folder:
                self.temp.mkdir()
            else:
                self.temp.touch(exist_ok=False)
        except OSError as error:
            raise output_error(self.path, error) from None

    def commit(self) -> None:
        """Give the finished result its name."""
        self._rename(self.path)

    def keep_partial(self) -> Path:
        """Rename the unfinished result to NAME.partial.EXT and return that path."""
        self._rename(self.partial)
        return self.partial

    def discard(self) -> None:
        """Remove the temporary file or folder; harmless after commit or keep_partial."""
        if self._folder:
            shutil.rmtree(self.temp, ignore_errors=True)
        else:
            self.temp.unlink(missing_ok=True)

    def _rename(self, to: Path) -> None:
        try:
            if self._folder and to.is_dir():
                to.rmdir()  # empty, as checked at the start; not every system renames onto a folder
            self.temp.replace(to)
        except OSError as error:
            raise output_error(to, error) from None


def pending_files(paths: Iterable[Path]) -> list[Pending]:
    """Return a :class:`Pending` for each path; if one cannot be created, none is left.

    Raises:
        OutputError: see :class:`Pending`.
    """
    made: list[Pending] = []
    try:
        for path in paths:
            made.append(Pending(path))  # those already made are discarded on failure
    except BaseException:
        for each in made:
            each.discard()
        raise
    return made


def output_error(path: Path | str, error: OSError) -> OutputError:
    """Create the OutputError of a failed system call on ``path``, or on a stream named by it."""
    hint = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "; make room on the disk, or write to another one"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "; choose a folder that you may write to"
    return OutputError(f"cannot write {path}: {error.strerror or error}{hint}")


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        what = "is not a folder" if path.parent.exists() else "does not exist"
        raise OutputError(f"cannot write {path}: {path.parent} {what}; make the folder first")


def _check_file_name(path: Path, partial: Path) -> None:
    for name in (path, partial):
        if name.is_dir():
            raise OutputError(f"cannot write {path}: {name} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise OutputError(f"cannot write {path}: it is a device or pipe; name a file")


def _check_free_folder(path: Path, partial: Path) -> None:
    for name in (path, partial):
        if name.exists() and not name.is_dir():
            raise OutputError(f"cannot write the folder {path}: {name} is a file; name a folder")
        if name.is_dir() and any(name.iterdir()):
            raise OutputError(f"cannot write the folder {path}: {name} is not empty; name a new folder, or empty it")
