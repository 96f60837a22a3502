"""The user's cache folder, which may be emptied at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """Return ``$XDG_CACHE_HOME/hpe_edge``, or ``~/.cache/hpe_edge``, with ``parts`` appended; it may not exist yet."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"  # the XDG rules ignore a relative one
    return root.joinpath("hpe_edge", *parts)
