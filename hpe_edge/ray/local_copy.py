"""Files by URI: local ones where they are, those of object stores as a temporary copy."""

from __future__ import annotations

import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hpe_edge.errors import SourceError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_CHUNK_BYTES = 8 * 2**20


def file_name(uri: str) -> str:
    """Return the last part of a URI or path."""
    if _SCHEME.match(uri):
        return posixpath.basename(unquote(urlsplit(uri).path))
    return Path(uri).name


@contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """Yield a local path of a file; a copy is removed at the end.

    OpenCV reads videos from files only, and a stream over HTTP would be read as a live one, with frames dropped.

    Args:
        uri: a path, ``file://``, or what ``pyarrow.fs.FileSystem.from_uri`` takes: ``s3://``, ``gs://``, ``hdfs://``
            and others. Credentials come from the environment.

    Raises:
        SourceError: another scheme, or the file cannot be copied.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None:
        yield Path(uri)
        return
    if scheme[1].lower() == "file":
        yield Path(unquote(urlsplit(uri).path))
        return
    with tempfile.TemporaryDirectory(prefix="hpe_edge-") as folder:
        copy = Path(folder) / file_name(uri)
        _download(uri, copy)
        try:
            yield copy
        except SourceError as error:
            raise SourceError(str(error).replace(str(copy), uri)) from None


def _download(uri: str, to: Path) -> None:
    from pyarrow import ArrowException, fs

    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
    except (ArrowException, ValueError) as error:
        raise SourceError(
            f"{uri} is not supported ({error}); copy it to a file, or name it by s3://, gs:// or hdfs://"
        ) from None
    try:
        with filesystem.open_input_stream(path) as stored, to.open("wb") as copy:
            shutil.copyfileobj(stored, copy, _CHUNK_BYTES)
    except (ArrowException, OSError) as error:
        raise SourceError(f"{uri} cannot be copied: {error}") from None
