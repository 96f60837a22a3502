"""Code of one GPU architecture in a shared library; that of the others is blanked, so that it packs to nothing.

The layout is NVIDIA's: containers of a 16-byte header (magic number, version, header size, content size) that hold
entries, whose header has the kind (1 PTX, 2 machine code), its own size, the content's size and, at byte 28, the
architecture. Headers stay, so that the CUDA runtime finds its way as before.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = 0xBA55ED50
_CONTAINER = struct.Struct("<IHHQ")
_ENTRY = struct.Struct("<HHIQ")
_ARCHITECTURE_AT = 28
_PTX, _CUBIN = 1, 2


@dataclass(frozen=True)
class Code:
    """Code of one architecture.

    Attributes:
        is_ptx: to be compiled by the driver.
        architecture: such as 90.
        start, stop: place of the content in the file.
    """

    is_ptx: bool
    architecture: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def is_for(self, architecture: int) -> bool:
        """Tell whether it is machine code of an architecture."""
        return not self.is_ptx and self.architecture == architecture


def read_fatbin(library: mmap.mmap | bytes) -> list[Code]:
    """Return all GPU code of a 64-bit ELF library.

    Raises:
        ValueError: it is no such file, or its GPU code has an unknown layout.
    """
    found: list[Code] = []
    for start, stop in _sections(library, b".nv_fatbin"):
        at = start
        while at + _CONTAINER.size <= stop:
            magic, _, header, size = _CONTAINER.unpack_from(library, at)
            if magic != _MAGIC:
                at += 8  # padding
                continue
            if header != _CONTAINER.size or at + header + size > stop:
                raise ValueError(f"a container of GPU code at {at:#x} has an unknown layout")
            found += _entries(library, at + header, at + header + size)
            at += header + size
    return found


def blank_other_architectures(path: Path, keep: int) -> tuple[int, int]:
    """Zero in place the content of all GPU code that is not machine code of one architecture.

    Returns:
        Kept and blanked bytes.

    Raises:
        ValueError: see :func:`read_fatbin`; or there is no machine code for ``keep``.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as library:
        codes = read_fatbin(library)
        kept = sum(code.size for code in codes if code.is_for(keep))
        if not kept:
            raise ValueError(f"{path.name} has no machine code for sm_{keep}")
        for code in codes:
            if not code.is_for(keep):
                library[code.start : code.stop] = bytes(code.size)
    return kept, sum(code.size for code in codes) - kept


def _entries(library: mmap.mmap | bytes, at: int, stop: int) -> Iterator[Code]:
    while at + _ENTRY.size <= stop:
        kind, _, header, size = _ENTRY.unpack_from(library, at)
        if kind not in (_PTX, _CUBIN) or header <= _ARCHITECTURE_AT or at + header + size > stop:
            raise ValueError(f"an entry of GPU code at {at:#x} has an unknown layout")
        (architecture,) = struct.unpack_from("<I", library, at + _ARCHITECTURE_AT)
        yield Code(kind == _PTX, architecture, at + header, at + header + size)
        at += header + size


def _sections(library: mmap.mmap | bytes, name: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and stop of the ELF sections of a name."""
    if library[:5] != b"\x7fELF\x02":
        raise ValueError("it is no 64-bit ELF file")
    (table,) = struct.unpack_from("<Q", library, 40)
    size, count, names = struct.unpack_from("<HHH", library, 58)
    headers = [struct.unpack_from("<IIQQQQ", library, table + size * index) for index in range(count)]
    names_at = headers[names][4]
    for name_at, _, _, _, start, length in headers:
        if library[names_at + name_at : names_at + name_at + len(name) + 1] == name + b"\0":
            yield start, start + length
