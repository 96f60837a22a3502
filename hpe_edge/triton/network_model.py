"""Model ``…_network`` for servers whose only backend is Python: the ONNX file in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import HpeEdgeError, InputError
from hpe_edge.triton.layout import ONNX_FILE
from hpe_edge.triton.python_backend import Server


class NetworkModel:
    """Crops in, the network's outputs out. The crops of all requests of a batch run together."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the network, and run it once.

        Raises:
            HpeEdgeError: see :class:`~hpe_edge.triton.python_backend.Server`; the file or the device cannot be used.
        """
        self._server = Server(args)
        on_gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu"
        self._network = OnnxRuntimeBackend(self._server.folder / ONNX_FILE, device=device)
        self._context = self._network.context()
        self._run([np.zeros_like(self._context.input(1))])

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer a batch of requests."""
        answers: dict[int, Any] = {}
        given: dict[int, NDArray[Any]] = {}
        for index, request in enumerate(requests):
            try:
                given[index] = self._crops(request)
            except InputError as error:
                answers[index] = self._server.failure(error)
        try:
            outputs = self._run(list(given.values()))
        except HpeEdgeError as error:
            answers |= {index: self._server.failure(error) for index in given}
            given = {}
        start, names = 0, self._network.spec.outputs
        for index, crops in given.items():
            rows = slice(start, start + len(crops))
            answers[index] = self._server.response(
                {name: array[rows] for name, array in zip(names, outputs, strict=True)}
            )
            start = rows.stop
        return [answers[index] for index in range(len(requests))]

    def finalize(self) -> None:
        """Free the network."""
        self._network.close()

    def _crops(self, request: Any) -> NDArray[Any]:
        wanted = self._network.spec.input
        crops = self._server.read(request, wanted.name, np.dtype(wanted.dtype).type, 4)
        if crops.shape[1:] != (3, wanted.size, wanted.size):
            raise InputError(
                f"{wanted.name} must be crops [N, 3, {wanted.size}, {wanted.size}], got {list(crops.shape)}"
            )
        return crops

    def _run(self, given: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Run the crops of all requests; returns a row for each, of each output."""
        crops = np.concatenate(given) if given else self._context.input(0)
        most, parts = self._network.max_batch, []
        for start in range(0, len(crops), most):
            part = crops[start : start + most]
            self._context.input(len(part))[:] = part
            parts.append([array.copy() for array in self._context.run(len(part))])
        return [np.concatenate(columns) for columns in zip(*parts, strict=True)] if parts else []
