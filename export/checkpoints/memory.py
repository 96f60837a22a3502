"""What is said where a file is too large for the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpe_edge.errors import ModelError


@contextmanager
def in_memory(path: Path) -> Iterator[None]:
    """Within the block, the file is read and unpacked.

    Raises:
        ModelError: it does not fit into memory.
    """
    try:
        yield
    except MemoryError:
        raise ModelError(f"{path} does not fit into memory; close other programs or use a larger machine") from None
