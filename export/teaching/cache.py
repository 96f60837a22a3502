"""Arrays kept on disk between runs, named by a hash of what they were computed from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.util.atomic import Pending, output_error


def cached(folder: Path, name: str, content: str, compute: Callable[[], NDArray[Any]]) -> tuple[NDArray[Any], bool]:
    """An array, and True where it comes from the folder; a damaged file is computed anew.

    Args:
        folder: the cache.
        name: start of the file's name.
        content: everything that the array depends on.
        compute: makes it.

    Raises:
        OutputError: the file cannot be written.
    """
    path = folder / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.npy"
    if path.is_file():
        try:
            return np.load(path, mmap_mode="r"), True
        except (OSError, ValueError, EOFError):
            path.unlink(missing_ok=True)
    array = compute()
    pending = Pending(path)
    try:
        with pending.temp.open("wb") as file:
            np.save(file, array)
        pending.commit()
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        pending.discard()
    return array, False
