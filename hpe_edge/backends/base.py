"""The protocol between the engine and what runs the network."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.spec import ModelSpec


class Context(Protocol):
    """Buffers for one caller at a time. The arrays are reused: what ``run`` returns holds until the next ``run``."""

    def input(self, count: int) -> NDArray[Any]:
        """The first ``count`` rows of the input buffer, ``[count, 3, size, size]``, to be filled before ``run``."""

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """Run the network on ``count`` faces; the outputs' first ``count`` rows, in the spec's order."""


class Backend(Protocol):
    """A loaded model. Contexts may run at the same time, each in its own thread."""

    spec: ModelSpec
    device: str  # as asked for: "cpu", "cuda", "cuda:1"
    max_batch: int  # the most faces that one ``run`` takes
    fixed_batch: bool  # fewer take as long

    def context(self) -> Context:
        """A fresh set of buffers."""

    def close(self) -> None:
        """Free the model; contexts must not run any more."""
