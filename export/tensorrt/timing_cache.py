"""TensorRT's timing cache, kept in the user's cache folder to speed up the next build.

One file per version of TensorRT and GPU, as times do not carry over.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hpe_edge.errors import OutputError
from hpe_edge.util.atomic import Pending
from hpe_edge.util.cache_folder import cache_folder


def cache_file(tensorrt: str, gpu: str, compute_capability: str) -> Path:
    """Path of the cache."""
    name = re.sub("[^A-Za-z0-9.]+", "-", f"timing {tensorrt} {gpu} {compute_capability}")
    return cache_folder("tensorrt") / f"{name}.cache"


def attach(config: Any, path: Path) -> str:
    """Attach the times of earlier builds.

    Returns:
        A line for the report.
    """
    try:
        kept = path.read_bytes()
    except OSError:
        kept = b""
    cache = config.create_timing_cache(kept)
    if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
        return f"{path}, {len(kept)} bytes" if kept else f"{path}, new"
    # Damaged, or of another driver.
    config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    return f"{path} does not fit and is replaced"


def keep(config: Any, path: Path) -> str | None:
    """Store the times for the next build.

    Returns:
        A problem, which does not affect the engine; None if there was none.
    """
    cache = config.get_timing_cache()
    if cache is None:
        return "TensorRT gave no times"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pending = Pending(path)
        try:
            pending.temp.write_bytes(bytes(cache.serialize()))
            pending.commit()
        finally:
            pending.discard()
    except (OSError, OutputError) as error:
        return f"the times are not kept: {error}"
    return None
