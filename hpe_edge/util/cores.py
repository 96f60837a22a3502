"""Processor cores that the process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return their number, at least 1; without affinity (macOS, Windows) that of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
