"""The network as another model of the same server, called by BLS (business logic scripting)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.base import Rows
from hpe_edge.errors import BackendError
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec
from hpe_edge.triton.layout import NETWORK_BATCH_KEY, NETWORK_KEY, SPEC_FILE
from hpe_edge.triton.python_backend import Server, ServingError

if TYPE_CHECKING:
    from hpe_edge.cuda.device import Device


class ServedNetwork:
    """A model of this server as a backend of the engine; implements :class:`hpe_edge.backends.base.Backend`.

    Crops leave the process as one request per batch, and the server's dynamic batcher may join them with others. The
    engine's splitting, decode and second pass are those of any other backend, and so are the poses.
    """

    device = "cpu"  # of the crop; the server knows the network's
    runtime = "Triton"
    fixed_batch = False
    channels_last = False
    gpu: Device | None = None

    def __init__(self, server: Server) -> None:
        """
        Args:
            server: with the name of the network in the model's parameters, and its spec in the model's folder.

        Raises:
            ModelError: the spec is invalid.
        """
        self._server = server
        self.spec = ModelSpec.from_json((server.folder / SPEC_FILE).read_text(encoding="utf-8"))
        self.name = server.parameters[NETWORK_KEY]
        self.max_batch = int(server.parameters[NETWORK_BATCH_KEY])

    def context(self) -> _Context:
        """Allocate a set of buffers for one caller at a time."""
        return _Context(self._server, self.spec, self.name, self.max_batch)

    def close(self) -> None:
        """Do nothing: the server owns the network."""

    def abandon(self) -> None:
        """Do nothing: the server owns the network."""


class _Context:
    def __init__(self, server: Server, spec: ModelSpec, name: str, most: int) -> None:
        self._pb, self._spec, self._name = server.pb, spec, name
        size = spec.input.size
        self._rows = Rows(np.zeros((most, 3, size, size), spec.input.dtype), [])
        # The server's outputs may be in its GPU's memory, which an array cannot read.
        self._memory = self._pb.PreferredMemory(self._pb.TRITONSERVER_MEMORY_CPU, 0)
        self._response: Any = None

    def input(self, count: int) -> NDArray[Any]:
        """See :class:`hpe_edge.backends.base.Context`."""
        return self._rows.first(count)[0]

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """See :class:`hpe_edge.backends.base.Context`.

        Raises:
            ServingError: the server did not run the network, such as for a full queue.
        """
        pb = self._pb
        asked = pb.InferenceRequest(
            model_name=self._name,
            requested_output_names=list(self._spec.outputs),
            inputs=[pb.Tensor(self._spec.input.name, self.input(count))],
            preferred_memory=self._memory,
        )
        response = asked.exec()
        if response.has_error():
            error = response.error()
            remedy = ""
            if "not healthy" in error.message():  # Triton 24.06 and newer start no ended process again
                remedy = f" Its process has ended: unload and load {self._name}, or start the server again."
            raise ServingError(
                f"{self._name} did not answer for {count} faces: {error.message()}{remedy}", error.code()
            )
        self._response = response  # owns the memory of the arrays below
        return [pb.get_output_tensor_by_name(response, name).as_numpy() for name in self._spec.outputs]

    def estimate(self, crop: Crop, requests: Sequence[Request], found: Sequence[Poses], decode: DecodeHeads) -> None:
        """Never called: this backend has no GPU."""
        raise BackendError("the crops of a served network are made on the CPU")
