"""How much memory this process holds."""

from __future__ import annotations

import gc
import os
from pathlib import Path


def resident_kb() -> float | None:
    """Resident memory; None where there is no /proc."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024
