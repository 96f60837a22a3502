"""The two networks of a whole-picture model, run by ONNX Runtime or OpenVINO on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.options import check_choice, check_threads, without_onnx_runtime
from hpe_edge.errors import BackendError, InputError
from hpe_edge.picture.split_file import FIRST_OUTPUTS, PICTURE, POOLED, SECOND_OUTPUTS, SplitFile

PictureBackend = Literal["onnxruntime", "openvino"]
Arrays = list[NDArray[np.float32]]


class TwoNetworks(Protocol):
    """Both networks, loaded. May be called from several threads."""

    runtime: str

    def first(self, picture: NDArray[np.float32]) -> Arrays:
        """Run ``[1, 3, H, W]``; return the levels, logits and shifts."""

    def second(self, pooled: NDArray[np.float32]) -> Arrays:
        """Run ``[N, 7, 7, C]``, N above 0; return the logits ``[N, 2]`` and poses ``[N, 6]``."""


def open_networks(
    path: Path, file: SplitFile, device: str, backend: PictureBackend | None, threads: int | None
) -> TwoNetworks:
    """Load both networks.

    Raises:
        InputError: another device or backend.
        ModelError: the file cannot be loaded.
        BackendError: the backend is not installed.
    """
    check_choice("backend", backend, PictureBackend)
    check_threads(threads)
    if device != "cpu":
        raise InputError(f"a whole-picture model runs on the CPU, device must be 'cpu', got {device!r}")
    kind = _OpenVino if backend == "openvino" else _OnnxRuntime
    return kind(path, file, threads)


class _OnnxRuntime:
    runtime = "ONNX Runtime"

    def __init__(self, path: Path, file: SplitFile, threads: int | None) -> None:
        try:
            from hpe_edge.backends.onnx.open_session import open_session
        except ModuleNotFoundError as error:
            raise without_onnx_runtime(path, error) from None

        self._sessions = [open_session(path, threads, graph) for graph in (file.first, file.second)]

    def first(self, picture: NDArray[np.float32]) -> Arrays:
        return self._run(0, FIRST_OUTPUTS, {PICTURE: picture})

    def second(self, pooled: NDArray[np.float32]) -> Arrays:
        return self._run(1, SECOND_OUTPUTS, {POOLED: pooled})

    def _run(self, which: int, outputs: tuple[str, ...], inputs: dict[str, NDArray[np.float32]]) -> Arrays:
        from hpe_edge.backends.onnx.open_session import usable_here

        self._sessions[which] = usable_here(self._sessions[which])  # opened anew after a fork
        try:
            return list(self._sessions[which].run(list(outputs), inputs))
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise BackendError(f"ONNX Runtime failed on a picture: {error}") from None


class _OpenVino:
    runtime = "OpenVINO in fp32"

    def __init__(self, path: Path, file: SplitFile, threads: int | None) -> None:
        from hpe_edge.backends.openvino.load_openvino import load_openvino, shared_core, short_error

        self._ov, self._short = load_openvino(), short_error
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        settings["ENABLE_CPU_PINNING"] = "NO"
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        core = shared_core()
        try:
            self._compiled = [
                core.compile_model(core.read_model(graph), "CPU", settings) for graph in (file.first, file.second)
            ]
        except Exception as error:  # OpenVINO's errors share no base class
            raise BackendError(
                f"{path} does not start on OpenVINO ({short_error(error)}); ONNX Runtime may run it: leave out "
                "backend='openvino'"
            ) from None

    def first(self, picture: NDArray[np.float32]) -> Arrays:
        return self._run(0, FIRST_OUTPUTS, PICTURE, picture)

    def second(self, pooled: NDArray[np.float32]) -> Arrays:
        return self._run(1, SECOND_OUTPUTS, POOLED, pooled)

    def _run(self, which: int, outputs: tuple[str, ...], name: str, given: NDArray[np.float32]) -> Arrays:
        try:
            request = self._compiled[which].create_infer_request()
            request.set_tensor(name, self._ov.Tensor(given, shared_memory=True))
            request.infer()
            return [np.array(request.get_tensor(output).data) for output in outputs]
        except Exception as error:  # OpenVINO's errors share no base class
            raise BackendError(f"OpenVINO failed on a picture: {self._short(error)}") from None
