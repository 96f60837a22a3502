"""Implementations of the native operations: the loops of each instruction set, the CUDA launch emulated, a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from gpu_loop import GpuLoop, require_gpu

from hpe_edge.ops import crop
from hpe_edge.ops.native import native

ON_GPU = "cuda"
LOOPS = [*crop.isa_names(), native.EMULATED, ON_GPU]


@pytest.fixture(scope="module", params=LOOPS, autouse=True)
def every_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module that imports this runs each of its tests in each of the loops."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as cleanup:
        install(request.param, patch, cleanup)
        yield


def install(name: str, patch: pytest.MonkeyPatch, cleanup: contextlib.ExitStack) -> None:
    """Let one of LOOPS run what asks for no other.

    ``cleanup`` brings back what was kept of the loop before; without a GPU the test is skipped or fails.
    """
    if name == ON_GPU:
        require_gpu()
        gpu = GpuLoop(cleanup)
        makers = {"CropNormalize": gpu.crop, "Decode": gpu.decode}
    else:
        makers = {kind: _told(getattr(native, kind), name) for kind in ("CropNormalize", "Decode")}
    for kind, maker in makers.items():
        patch.setattr(native, kind, maker)
    crop.cached_crop.cache_clear()
    cleanup.callback(crop.cached_crop.cache_clear)


def _told(kind: Any, name: str) -> Any:
    return lambda *, isa, **arguments: kind(isa=isa or name, **arguments)
