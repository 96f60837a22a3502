"""Parquet files of a folder, local or in an object store."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hpe_edge.errors import BackendError, OutputError

if TYPE_CHECKING:
    import pyarrow

_MAGIC = b"PAR1"  # at both ends of a Parquet file


class ParquetFiles:
    """Files that end in .parquet in a folder, without those of subfolders and hidden ones."""

    def __init__(self, folder: str) -> None:
        """
        Args:
            folder: see :class:`hpe_edge.ray.PoseFolder`.

        Raises:
            BackendError: pyarrow is missing.
            OutputError: an unknown URI.
        """
        try:
            from pyarrow import ArrowException, fs
        except ImportError as error:
            raise BackendError(
                f"reading Parquet files needs pyarrow, which cannot be imported here ({error}); run: "
                "pip install 'hpe-edge[ray]'"
            ) from None

        self.folder = folder
        try:
            found: tuple[fs.FileSystem, str] = (
                fs.FileSystem.from_uri(folder) if "://" in folder else (fs.LocalFileSystem(), folder)
            )
        except (ArrowException, ValueError) as error:
            raise OutputError(
                f"{folder} is not supported ({error}); name a folder, or one by s3://, gs:// or hdfs://"
            ) from None
        self._system, self._root = found

    def paths(self) -> list[str]:
        """List the files; none if there is no folder."""
        from pyarrow import fs

        with self._reported(self.folder, "read"):
            infos = self._system.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        names = [(info.path, posixpath.basename(info.path)) for info in infos if info.is_file]
        return sorted(path for path, name in names if name.endswith(".parquet") and name[0] not in "._")

    def read(self, path: str, columns: Sequence[str] | None = None) -> pyarrow.Table | None:
        """Read a file; None if it was cut off, and so has no footer.

        Args:
            path: of the file.
            columns: to read; None: all.

        Raises:
            OutputError: it cannot be read, is no Parquet file, or lacks a column.
        """
        from pyarrow import ArrowInvalid, parquet

        with self._reported(path, "read"), self._system.open_input_file(path) as file:
            start = file.read_at(len(_MAGIC), 0)
            try:
                opened = parquet.ParquetFile(file)
            except ArrowInvalid:
                if start in (_MAGIC, b""):
                    return None
                raise
            missing = set(columns or ()) - set(opened.schema_arrow.names)
            if missing:
                raise OutputError(
                    f"{path} holds another table, without the columns {', '.join(sorted(missing))}; take a folder "
                    "of its own for the rows"
                )
            return opened.read(columns)

    def delete(self, path: str) -> None:
        """Delete a file.

        Raises:
            OutputError: it cannot be deleted.
        """
        with self._reported(path, "delete"):
            self._system.delete_file(path)

    def remove_rows(self, path: str, column: str, values: Sequence[str]) -> None:
        """Write a file anew without the rows that have one of these values; delete it if none is left.

        Raises:
            OutputError: it cannot be written.
        """
        import pyarrow
        from pyarrow import compute, parquet

        table = self.read(path)
        assert table is not None
        kept = table.filter(compute.invert(compute.is_in(table[column], pyarrow.array(values, table[column].type))))
        if not len(kept):
            self.delete(path)
            return
        folder, name = posixpath.split(path)
        written = posixpath.join(folder, f".{name}.tmp")  # readers of the folder ignore hidden files
        with self._reported(path, "write"):
            with self._system.open_output_stream(written) as file:
                parquet.write_table(kept, file)
            self._system.move(written, path)

    @staticmethod
    @contextmanager
    def _reported(name: str, action: str) -> Iterator[None]:
        from pyarrow import ArrowException

        try:
            yield
        except (OSError, ArrowException) as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"cannot {action} {name}: {error}") from None
