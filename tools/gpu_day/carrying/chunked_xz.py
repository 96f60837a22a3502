"""An .xz file of independent streams, each kept under the hash of its content: a stopped run goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 32 << 20


class ChunkedXz:
    """A file to write to, in one pass; what readers of .xz files find is the whole content.

    Args:
        path: of the file, replaced by :meth:`close` and not before.
        cache: folder for the streams.
        preset: of the compression, 0 to 9.
        most_bytes: limit of the compressed size.
    """

    def __init__(self, path: Path, cache: Path, preset: int, most_bytes: int) -> None:
        self._path, self._cache, self._most_bytes = path, cache, most_bytes
        # The first filter makes jumps of x86 code alike.
        self._filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": preset}]
        self._buffer = bytearray()
        self._streams: list[Path] = []
        self._size = 0

    def write(self, content: bytes) -> int:
        """Take content, and compress full chunks of it.

        Raises:
            ValueError: the compressed size is over the limit.
            OSError: the disk is full.
        """
        self._buffer += content
        while len(self._buffer) >= CHUNK_BYTES:
            self._add(bytes(self._buffer[:CHUNK_BYTES]))
            del self._buffer[:CHUNK_BYTES]
        return len(content)

    def close(self) -> int:
        """Compress the rest and put the file in its place; return its size. Errors are those of :meth:`write`."""
        self._add(bytes(self._buffer))
        self._buffer.clear()
        with _replacing(self._path) as temporary, temporary.open("wb") as file:
            for stream in self._streams:
                file.write(stream.read_bytes())
        return self._size

    def _add(self, chunk: bytes) -> None:
        key = hashlib.sha256(repr(self._filters).encode() + chunk).hexdigest()[:32]
        stream = self._cache / f"{key}.xz"
        if not stream.exists():
            with _replacing(stream) as temporary:
                temporary.write_bytes(lzma.compress(chunk, filters=self._filters))
        self._streams.append(stream)
        self._size += stream.stat().st_size
        if self._size > self._most_bytes:
            left = max(self._most_bytes, 0) / (1 << 20)
            raise ValueError(f"it is larger than the {left:.1f} MiB that are left for it")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file that takes the place of ``path`` if nothing is raised, and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
