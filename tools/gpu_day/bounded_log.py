"""A log of bounded size: the beginning and the end of an output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HEAD_BYTES, TAIL_BYTES = 1 << 20, 256 << 10
_RECENT_BYTES = 4096


class BoundedLog:
    """A file that takes output as it comes; errors of writing are noted, not raised.

    Attributes:
        error: a reason why the file is incomplete, such as a full disk; empty if it is complete.
    """

    def __init__(self, path: Path) -> None:
        """Replace the file, and make its folder."""
        self.error = ""
        self._file: BinaryIO | None = None
        self._written = self._left_out = 0
        self._tail = self._recent = b""
        with self._noting():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")

    def add(self, output: bytes) -> None:
        """Write the part within ``HEAD_BYTES`` at once; of the rest keep the last ``TAIL_BYTES`` for the end."""
        self._recent = (self._recent + output)[-_RECENT_BYTES:]
        head = output[: HEAD_BYTES - self._written]
        self._write(head)
        self._written += len(head)
        tail = self._tail + output[len(head) :]
        self._left_out += max(len(tail) - TAIL_BYTES, 0)
        self._tail = tail[-TAIL_BYTES:]

    def close(self) -> None:
        """Write the end of the output."""
        if self._left_out:
            self._write(f"\n[{self._left_out} bytes left out]\n".encode())
        self._write(self._tail)
        if self._file is not None:
            with self._noting():
                self._file.close()

    def last_line(self) -> str:
        """Return the last line that is not empty."""
        lines = self._recent.decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _write(self, output: bytes) -> None:
        if self._file is not None and output:
            with self._noting():
                self._file.write(output)
                self._file.flush()  # a killed runner keeps it

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = f"the log could not be written: {error.strerror or error}"
