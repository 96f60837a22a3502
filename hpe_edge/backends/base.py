"""Protocol between the engine and the libraries that run the network, and the buffers of a caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec

if TYPE_CHECKING:
    from hpe_edge.cuda.device import Device


class Context(Protocol):
    """Buffers for one caller at a time. The arrays are reused: what ``run`` returns holds until the next ``run``."""

    def input(self, count: int) -> NDArray[Any]:
        """The first ``count`` rows of the input buffer, ``[count, 3, size, size]``, to be filled before ``run``."""

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """Run the network on ``count`` faces; the outputs' first ``count`` rows, in the spec's order."""

    def estimate(self, crop: Crop, requests: Sequence[Request], found: Sequence[Poses], decode: DecodeHeads) -> None:
        """Crop, network and decode where the crop runs on a GPU; only called if the backend has one.

        Args:
            crop: window around a box; the same in all calls.
            requests: all warped or all not, with at least one face, at most ``max_batch`` together.
            found: poses to fill, one per request.
            decode: for outputs that come to the host.
        """


class Backend(Protocol):
    """A loaded model. Contexts may run at the same time, each in its own thread."""

    spec: ModelSpec
    device: str  # as asked for: "cpu", "cuda", "cuda:1", OpenVINO's "gpu.0"
    runtime: str  # name of the library, with its precision where that is a choice
    max_batch: int  # the most faces that one ``run`` takes
    fixed_batch: bool  # fewer take as long
    gpu: Device | None  # can crop for it; None on the CPU, or without cuda-bindings

    def context(self) -> Context:
        """A fresh set of buffers."""

    def close(self) -> None:
        """Free the model; contexts must not run any more."""


class Rows:
    """Input and output arrays of one caller in host memory, of which a run uses the first rows.

    Attributes:
        input: ``[most, 3, size, size]``.
        outputs: ``[most, ...]`` each, in the spec's order.
    """

    def __init__(self, input: NDArray[Any], outputs: Sequence[NDArray[np.float32]]) -> None:
        self.input, self.outputs = input, outputs
        self._filled = 0
        self._views: dict[int, tuple[NDArray[Any], list[NDArray[np.float32]]]] = {}

    def first(self, count: int) -> tuple[NDArray[Any], list[NDArray[np.float32]]]:
        """The first ``count`` rows of the input and of each output; made once per count."""
        views = self._views.get(count)
        if views is None:
            views = self._views[count] = (self.input[:count], [array[:count] for array in self.outputs])
        return views

    def keep(self, count: int) -> None:
        """Before a run on ``count`` faces: zero the rows that an earlier run filled beyond them.

        A network of fixed batch runs on these rows as well, and one that mixes the batch would let faces of an earlier
        call affect this one.
        """
        if count < self._filled:
            self.input[count : self._filled] = 0
        self._filled = count
