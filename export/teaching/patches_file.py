"""Patches kept on disk between runs."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from export.teaching.arrays import Patches
from hpe_edge.util.atomic import Pending, output_error

_FORMAT = 2


def load_patches(folder: Path, content: str) -> Patches | None:
    """The patches that :func:`save_patches` kept under the same content; None without them or if they are damaged."""
    path = _path(folder, content)
    if not path.is_file():
        return None
    try:
        with np.load(path) as file:
            return Patches(file["pictures"], file["boxes"], file["sources"], tuple(file["notes"].tolist()))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        path.unlink(missing_ok=True)
        return None


def save_patches(patches: Patches, folder: Path, content: str) -> None:
    """Keep patches under everything that they depend on.

    Raises:
        OutputError: the file cannot be written.
    """
    path = _path(folder, content)
    pending = Pending(path)
    try:
        with pending.temp.open("wb") as file:
            np.savez(
                file,
                pictures=patches.pictures,
                boxes=patches.boxes,
                sources=patches.sources,
                notes=np.array(patches.notes, np.str_),
            )
        pending.commit()
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        pending.discard()


def _path(folder: Path, content: str) -> Path:
    return folder / f"faces-{hashlib.sha256(f'{_FORMAT} {content}'.encode()).hexdigest()[:16]}.npz"
