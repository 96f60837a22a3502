"""Pictures of a folder, evenly chosen."""

from __future__ import annotations

from pathlib import Path

from hpe_edge.sources.frame import Source
from hpe_edge.sources.images import Pictures
from hpe_edge.sources.open_source import open_source


def evenly_chosen(folder: Path, most: int) -> Source:
    """Open a folder and leave out pictures between others until about ``most`` are left; never fewer than that.

    A video keeps all its frames.
    """
    source = open_source(folder)
    if isinstance(source, Pictures):
        source.files = source.files[:: max(1, len(source.files) // most)]
    return source
