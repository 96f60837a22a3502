"""Backend and context protocols, and the host buffers of a context."""

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
    """Buffers of one caller at a time. They are reused: outputs of ``run`` are valid until the next ``run``."""

    def input(self, count: int) -> NDArray[Any]:
        """Return the first ``count`` rows of the input buffer, ``[count, 3, size, size]``, to fill before ``run``.

        Of a backend with ``channels_last`` they are a view of its padded pixels, whose first value is the buffer's.
        """

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """Run the network on ``count`` faces; return the first ``count`` rows of each output, in the spec's order."""

    def estimate(self, crop: Crop, requests: Sequence[Request], found: Sequence[Poses], decode: DecodeHeads) -> None:
        """Crop on the GPU, infer and decode; only called if the backend has a GPU.

        Args:
            crop: window around a box; the same in all calls.
            requests: all warped or all not, with at least one face, at most ``max_batch`` together.
            found: poses to fill, one per request.
            decode: for outputs that are copied to the host.
        """


class Backend(Protocol):
    """A loaded model. Contexts may run at the same time, each in its own thread."""

    spec: ModelSpec
    device: str  # as requested: "cpu", "cuda", "cuda:1", OpenVINO's "gpu.0"
    runtime: str  # name of the library, with its precision where that is a choice
    max_batch: int  # largest batch of one ``run``
    fixed_batch: bool  # smaller batches take as long
    channels_last: bool  # the input lies as :func:`hpe_edge.ops.crop.crop_arguments` describes, its pads zero
    gpu: Device | None  # None on the CPU, or without cuda-bindings

    def context(self) -> Context:
        """Allocate a set of buffers."""

    def close(self) -> None:
        """Free the model; contexts must not run any more."""

    def abandon(self) -> None:
        """Free nothing, not even at exit: the process was forked, and the model is the parent's."""


class Rows:
    """Host arrays of one context's input and outputs; a run uses the first rows.

    Attributes:
        input: ``[most, 3, size, size]``.
        outputs: ``[most, ...]`` each, in the spec's order.
    """

    def __init__(self, input: NDArray[Any], outputs: Sequence[NDArray[np.float32]]) -> None:
        self.input, self.outputs = input, outputs
        self._filled = 0
        self._views: dict[int, tuple[NDArray[Any], list[NDArray[np.float32]]]] = {}

    def first(self, count: int) -> tuple[NDArray[Any], list[NDArray[np.float32]]]:
        """Return views of the first ``count`` rows of the input and of each output, cached per count."""
        views = self._views.get(count)
        if views is None:
            views = self._views[count] = (self.input[:count], [array[:count] for array in self.outputs])
        return views

    def clear_unused(self, count: int) -> None:
        """Zero the input rows beyond ``count`` that an earlier run filled; call before each run.

        A network of fixed batch computes these rows too, and one that mixes the batch would let faces of an earlier
        call affect this one.
        """
        if count < self._filled:
            self.input[count : self._filled] = 0
        self._filled = count
