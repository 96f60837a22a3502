"""For all tests of the benchmarks."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def small_heap() -> Iterator[None]:
    """Suites collect garbage before they read the clock or the memory; they need not walk what other tests imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
