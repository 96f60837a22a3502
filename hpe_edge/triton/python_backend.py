"""Triton's Python backend: settings of a model, tensors of requests, responses and errors."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.triton.layout import FORMAT, FORMAT_KEY
from hpe_edge.version import __version__


class ServingError(BackendError):
    """A request that cannot be answered now; ``code`` is the server's."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Server:
    """The server that has loaded a model of ours.

    Attributes:
        pb: its module ``triton_python_backend_utils``.
        folder: of the loaded version of the model.
        parameters: of the model's config.pbtxt.
    """

    def __init__(self, args: Mapping[str, str]) -> None:
        """
        Args:
            args: those of ``TritonPythonModel.initialize``.

        Raises:
            BackendError: this process is no server, or it hands over wrong values.
            ModelError: the repository is of another format.
        """
        try:
            self.pb: Any = importlib.import_module("triton_python_backend_utils")
        except ModuleNotFoundError:
            raise BackendError(
                "this model runs in a Triton server, which has triton_python_backend_utils; point tritonserver "
                "--model-repository at the repository"
            ) from None
        check_exchange(self.pb)
        config = json.loads(args["model_config"])
        self.folder = Path(args["model_repository"]) / args["model_version"]
        self.parameters: dict[str, str] = {
            key: value["string_value"] for key, value in config.get("parameters", {}).items()
        }
        found = self.parameters.get(FORMAT_KEY)
        if found != FORMAT:
            raise ModelError(
                f"{args['model_name']} is a model of repository format {found}, hpe_edge {__version__} in this server "
                f"reads format {FORMAT}; write the repository again with this version: hpe-edge export triton"
            )

    def read(self, request: Any, name: str, dtype: type, dims: int) -> NDArray[Any]:
        """Return an input of a request, with ``dims`` dimensions.

        Raises:
            InputError: it is missing, or of another type or shape.
        """
        array = self.optional(request, name)
        if array is None:
            raise InputError(f"the request has no input {name}; send it")
        if array.dtype != dtype or array.ndim != dims:
            raise InputError(
                f"{name} must be {np.dtype(dtype).name} with {dims} dimensions, got {array.dtype} {array.shape}"
            )
        return array

    def optional(self, request: Any, name: str) -> NDArray[Any] | None:
        """Return an input of a request; None where the request has none."""
        tensor = self.pb.get_input_tensor_by_name(request, name)
        return None if tensor is None else tensor.as_numpy()

    def response(self, arrays: Mapping[str, NDArray[Any]]) -> Any:
        """Return a response with outputs by name."""
        tensors = [self.pb.Tensor(name, np.ascontiguousarray(array)) for name, array in arrays.items()]
        return self.pb.InferenceResponse(output_tensors=tensors)

    def failure(self, error: Exception) -> Any:
        """Return the response of a request that failed; the others of its batch are not affected."""
        codes = self.pb.TritonError
        code = codes.INTERNAL
        if isinstance(error, ServingError):
            code = error.code
        elif isinstance(error, InputError):
            code = codes.INVALID_ARG
        return self.pb.InferenceResponse(output_tensors=[], error=codes(str(error), code))


def check_exchange(pb: Any) -> None:
    """Send an array through the backend's memory and back.

    A Python backend that was compiled for NumPy 1 finds an item size of 0 in NumPy 2's types: every input then reads as
    one value, every output has no bytes, and no error is raised.

    Raises:
        BackendError: other values come back.
    """
    sent = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    # Only a tensor made from a capsule is read through the backend's own types; one made from an array keeps the array.
    got = pb.Tensor.from_dlpack("probe", pb.Tensor("probe", sent).to_dlpack()).as_numpy()
    if not np.array_equal(got, sent):
        raise BackendError(
            f"this server's Python backend hands over wrong values with NumPy {np.__version__}: {got.ravel().tolist()} "
            f"for {sent.ravel().tolist()}; install NumPy 1 in the server's Python: pip install 'numpy<2', with "
            "'opencv-python<4.12', the last that takes it"
        )
