"""Native backend: a ``.hpe`` file of ``hpe-edge export native``, run by the compiled module on the CPU.

An INT8 network is integer arithmetic throughout: every processor gives the same outputs to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.base import Rows
from hpe_edge.backends.native.native_file import detector_spec, open_network, spec_text
from hpe_edge.backends.onnx.check_graph import DYNAMIC_MAX_BATCH, GraphTensor, check_graph, read_spec
from hpe_edge.backends.options import check_threads
from hpe_edge.errors import InputError, ModelError
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.native import native
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec
from hpe_edge.util.cores import usable_cores

if TYPE_CHECKING:
    from hpe_edge.cuda.device import Device


class NativeBackend:
    """A network of the compiled module. Implements :class:`hpe_edge.backends.base.Backend`."""

    gpu: Device | None = None

    def __init__(self, path: Path, *, device: str = "cpu", threads: int | None = None, isa: str = "") -> None:
        """Load a model.

        Args:
            path: the file; it is mapped into memory while it is read.
            device: ``"cpu"``.
            threads: threads of one run of several faces; None takes all cores.
            isa: one of ``hpe_edge._native.network_isa_names()``; the best where it is empty.

        Raises:
            InputError: the device, ``threads`` or ``isa`` cannot be used.
            ModelError: not such a file, damaged, of a newer format, or its spec does not fit its network.
        """
        check_threads(threads)
        if device != "cpu":
            raise InputError(f"a .hpe file runs on the CPU alone: device must be 'cpu', got {device!r}")
        self.device = device
        self._network = open_network(path, isa)
        self.runtime = f"native code ({self._network.isa})"
        self.int8: bool = self._network.int8
        self.answers: bytes = self._network.answers
        """To the pictures of :mod:`hpe_edge.backends.native.self_check`; empty where the file has none."""
        dtype = "uint8" if self.int8 else "float32"
        text, size = spec_text(self._network, path), self._network.size
        if detector_spec(text) is not None or not size:
            raise ModelError(
                f"{path} is a face detector, no head-pose model: give it as --detector (in Python: detector=), and a "
                "head-pose model as --model, or none for the embedded one"
            )
        self.spec: ModelSpec = read_spec(text, path)
        picture = GraphTensor(self.spec.input.name, dtype, ("N", 3, size, size))
        columns = self._network.columns
        if len(columns) != len(self.spec.outputs):
            raise ModelError(f"{path}: the spec names {len(self.spec.outputs)} outputs, the network has {len(columns)}")
        outputs = [
            GraphTensor(name, "float32", ("N", count)) for name, count in zip(self.spec.outputs, columns, strict=True)
        ]
        check_graph([picture], outputs, self.spec, path)
        self._threads = usable_cores() if threads is None else threads
        self.max_batch = DYNAMIC_MAX_BATCH
        self.fixed_batch = False
        self.channels_last = False

    def context(self) -> NativeContext:
        """Allocate a set of buffers for one caller at a time."""
        threads = min(self._threads, self.max_batch)
        return NativeContext(self._network, self.spec, threads, self.max_batch)

    def close(self) -> None:
        """Free the model; its memory goes with the last context."""
        del self._network

    def abandon(self) -> None:
        """See :class:`hpe_edge.backends.base.Backend`; nothing else holds the model."""


class NativeContext:
    """Buffers of the compiled module. Implements :class:`hpe_edge.backends.base.Context`."""

    def __init__(self, network: Any, spec: ModelSpec, threads: int, max_batch: int) -> None:
        """
        Args:
            network: the compiled module's.
            spec: of the model.
            threads: that one run may use.
            max_batch: rows of the buffers.
        """
        size = spec.input.size
        self._rows = Rows(
            np.zeros((max_batch, 3, size, size), spec.input.dtype),
            [np.zeros((max_batch, columns), np.float32) for columns in network.columns],
        )
        self._run = native.NativeRun(network=network, threads=threads)

    def input(self, count: int) -> NDArray[Any]:
        """See :class:`hpe_edge.backends.base.Context`."""
        return self._rows.first(count)[0]

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """See :class:`hpe_edge.backends.base.Context`."""
        pictures, outputs = self._rows.first(count)
        self._run.run(pictures, outputs)
        return outputs

    def estimate(self, crop: Crop, requests: Sequence[Request], found: Sequence[Poses], decode: DecodeHeads) -> None:
        """Never called: this backend has no GPU; see :class:`hpe_edge.backends.base.Context`."""
        raise NotImplementedError
