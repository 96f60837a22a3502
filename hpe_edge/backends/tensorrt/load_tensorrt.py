"""Import of the tensorrt package on demand, and its logger."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

from hpe_edge.errors import BackendError

if TYPE_CHECKING:
    from hpe_edge.backends.tensorrt.plan_file import Library

_RTX_MODULES = ("tensorrt_rtx_bindings", "tensorrt_rtx")  # of PyPI's wheels; of the wheel in NVIDIA's SDK
_DLA = "[DlaLayer]"
_LAYERS = "Layers:\n"


def load_tensorrt(library: Library = "tensorrt") -> Any:
    """Import the package.

    Raises:
        BackendError: it is not installed, or its libraries cannot be loaded.
    """
    if library == "tensorrt-rtx":
        return _load_rtx()
    try:
        return importlib.import_module("tensorrt")
    except (ImportError, OSError, RuntimeError) as error:
        raise BackendError(
            f"a TensorRT engine needs TensorRT, which cannot be imported here ({error}): run "
            "`pip install 'hpe-edge[tensorrt]'` (Jetson: it comes with JetPack, as Debian's python3-libnvinfer; make "
            "the virtual environment with --system-site-packages), or use the ONNX file"
        ) from None


def _load_rtx() -> Any:
    reasons = []
    for name in _RTX_MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            reasons.append(str(error))
    raise BackendError(
        f"a TensorRT-RTX engine needs TensorRT-RTX, which cannot be imported here ({'; '.join(reasons)}): run `pip "
        "install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs` (x86-64; a driver for CUDA 12 needs those with "
        "cu12), or use the ONNX file"
    )


class Messages:
    """TensorRT logger that collects errors for exceptions, and warnings.

    Attributes:
        logger: the ILogger for TensorRT's calls; must outlive the objects created with it.
        dla_layers: layers that the builder put on a DLA.
        layer_lists: the layers of plans that were built, as TensorRT writes them with detailed verbosity.
    """

    def __init__(self, trt: Any) -> None:
        lines: list[str] = []
        warnings: dict[str, None] = {}
        dla_layers: list[str] = []
        layer_lists: list[str] = []
        lock = threading.Lock()
        warning = trt.ILogger.Severity.WARNING
        severities = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

        class Logger(trt.ILogger):  # type: ignore[misc]  # its base is known at run time only
            def __init__(self) -> None:
                trt.ILogger.__init__(self)  # the binding refuses super()

            def log(self, severity: Any, message: str) -> None:
                """Called by TensorRT, from any thread."""
                with lock:
                    if severity in severities:
                        lines.append(message.strip())
                    elif severity == warning:
                        warnings.setdefault(message.strip())
                    elif _DLA in message:  # information or verbose, by version
                        dla_layers.append(message.partition(_DLA)[2].strip())
                    elif message.startswith(_LAYERS):
                        layer_lists.append(message.removeprefix(_LAYERS))

        self.logger: Any = Logger()
        self.dla_layers = dla_layers
        self.layer_lists = layer_lists
        self._lines, self._warnings, self._lock = lines, warnings, lock
        self._told = 0

    def take(self) -> str:
        """Return the errors since the last call in one line; a placeholder if there are none."""
        with self._lock:
            errors = "; ".join(dict.fromkeys(self._lines))
            self._lines.clear()
        return errors or "TensorRT gives no reason"

    def take_warnings(self) -> list[str]:
        """Return the warnings since the last call; each is returned once."""
        with self._lock:
            found = list(self._warnings)[self._told :]
            self._told += len(found)
        return found
