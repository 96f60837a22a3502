"""Folder of Parquet files with poses: the progress of an archive, and its continuation after an interruption."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from hpe_edge.ray.parquet_files import ParquetFiles
from hpe_edge.ray.parquet_schema import FACE, URI


@dataclass(frozen=True)
class Progress:
    """State of a list of URIs.

    Attributes:
        total: number of URIs.
        done: number of those with all their rows, errors included.
        failed: error of each that could not be read.
        frames, faces: counts of those that are done.
    """

    total: int
    done: int
    failed: dict[str, str]
    frames: int
    faces: int

    def __str__(self) -> str:
        failed = f" ({len(self.failed)} failed)" if self.failed else ""
        return f"{self.done} of {self.total} done{failed}: {self.frames} frames, {self.faces} faces"


@dataclass
class _Held:
    """Rows of one URI: number of faces, last rows, and files that hold them."""

    faces: int = 0
    ends: list[_End] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @property
    def end(self) -> _End | None:
        """The last row, if all rows are there once."""
        return self.ends[0] if len(self.ends) == 1 and self.ends[0].faces == self.faces else None


@dataclass(frozen=True)
class _End:
    frames: int
    faces: int
    error: str | None


class PoseFolder:
    """Folder into which ``Dataset.write_parquet`` writes the rows of :class:`PosesOfVideos` or :class:`PosesOfImages`.

    >>> folder = PoseFolder("poses/")
    >>> left = folder.resume(uris)
    >>> print(folder.progress(uris))

    A URI is done if it has one last row, and as many rows before it as that row counts: missing and doubled rows are
    noticed.
    """

    def __init__(self, folder: str) -> None:
        """
        Args:
            folder: a path, or what ``pyarrow.fs.FileSystem.from_uri`` takes; it need not exist.

        Raises:
            BackendError: pyarrow is missing.
            OutputError: another URI.
        """
        self._files = ParquetFiles(folder)

    def progress(self, uris: Iterable[str]) -> Progress:
        """Count the rows of these URIs in the files, also while a job writes them.

        A file that is still being written, or was cut off, counts for nothing.

        Raises:
            OutputError: a file cannot be read, or holds another table.
        """
        wanted = list(dict.fromkeys(uris))
        held, _ = self._scan()
        ends = {uri: held[uri].end for uri in wanted if uri in held}
        done = {uri: end for uri, end in ends.items() if end is not None}
        return Progress(
            total=len(wanted),
            done=len(done),
            failed={uri: end.error for uri, end in done.items() if end.error is not None},
            frames=sum(end.frames for end in done.values()),
            faces=sum(end.faces for end in done.values()),
        )

    def resume(self, uris: Iterable[str], *, retry_failed: bool = False) -> list[str]:
        """Return the URIs that are left to do, each once and in order, and remove their rows.

        There are some if a job was killed, or if two jobs did the same. Files that a killed job cut off are removed as
        well. Not to be called while a job writes into the folder.

        Args:
            uris: of the whole archive.
            retry_failed: also return those with an error.

        Raises:
            OutputError: a file cannot be read, removed or written, or holds another table.
        """
        held, cut_off = self._scan()
        left = []
        gone: dict[str, list[str]] = defaultdict(list)
        for uri in dict.fromkeys(uris):
            rows = held.get(uri, _Held())
            if rows.end is not None and not (retry_failed and rows.end.error is not None):
                continue
            left.append(uri)
            for path in rows.files:
                gone[path].append(uri)
        for path in cut_off:
            self._files.delete(path)
        for path, of_file in gone.items():
            self._files.remove_rows(path, URI, of_file)
        return left

    def _scan(self) -> tuple[dict[str, _Held], list[str]]:
        """Return the rows of each URI, and the files that were cut off."""
        from pyarrow import compute

        held: dict[str, _Held] = defaultdict(_Held)
        cut_off = []
        for path in self._files.paths():
            table = self._files.read(path, [URI, FACE, "frames", "faces", "error"])
            if table is None:
                cut_off.append(path)
                continue
            for uri in table[URI].unique().to_pylist():
                held[uri].files.add(path)
            is_end = compute.is_null(table[FACE])
            for row in table.filter(is_end).to_pylist():
                held[row[URI]].ends.append(_End(row["frames"], row["faces"], row["error"]))
            for counts in table.filter(compute.invert(is_end))[URI].value_counts().to_pylist():
                held[counts["values"]].faces += counts["counts"]
        return dict(held), cut_off
