"""The protocol between the engine and what runs the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.ops.crop import DecodeHeads
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
            crop: what is cut out around a box; the same in all calls.
            requests: all warped or all not, with at least one face, at most ``max_batch`` together.
            found: room for the poses of each.
            decode: for outputs that come to the host.
        """


class Backend(Protocol):
    """A loaded model. Contexts may run at the same time, each in its own thread."""

    spec: ModelSpec
    device: str  # as asked for: "cpu", "cuda", "cuda:1", OpenVINO's "gpu.0"
    runtime: str  # the library, for people, with what it computes in where that is a choice
    max_batch: int  # the most faces that one ``run`` takes
    fixed_batch: bool  # fewer take as long
    gpu: Device | None  # where crops can be made for it; None on the CPU, or without cuda-bindings

    def context(self) -> Context:
        """A fresh set of buffers."""

    def close(self) -> None:
        """Free the model; contexts must not run any more."""


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that is none.

    Raises:
        InputError: it is below 1, or no whole number.
    """
    if threads is not None and (type(threads) is not int or threads < 1):
        raise InputError(f"threads must be a whole number from 1 on, got {threads!r}")
