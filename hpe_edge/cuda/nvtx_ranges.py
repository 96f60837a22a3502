"""NVTX ranges, by which NVIDIA's profilers name the stages of a call on their timelines."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

_DOMAIN = "hpe_edge"


class NvtxRange:
    """Range on the timeline of the calling thread while the block runs; reusable, also by several threads at once."""

    def __init__(self, domain: Any, name: str) -> None:
        """
        Args:
            domain: of the nvtx package.
            name: on the timeline.
        """
        self._domain, self._attributes = domain, domain.get_event_attributes(message=name)

    def __enter__(self) -> None:
        self._domain.push_range(self._attributes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._domain.pop_range()


def profiler_ranges() -> Callable[[str], AbstractContextManager[object]] | None:
    """Return a function from a stage's name to its range; None unless a profiler is attached.

    It needs the nvtx package, whose domains are active only if a tool such as Nsight Systems has loaded itself into the
    process. Python's import of the package is the only cost without one.
    """
    try:
        nvtx = importlib.import_module("nvtx")
        domain = nvtx.get_domain(_DOMAIN)
        if not isinstance(domain, nvtx.Domain):  # a stand-in, as no tool listens
            return None
    except (ImportError, OSError, AttributeError):  # not installed, damaged, or older than its domains
        return None
    ranges: dict[str, NvtxRange] = {}

    def stage_range(stage: str) -> NvtxRange:
        found = ranges.get(stage)
        if found is None:
            found = ranges[stage] = NvtxRange(domain, stage)
        return found

    return stage_range
