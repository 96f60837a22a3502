"""Import of the openvino package on demand, without telemetry, and one core shared by all engines."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

from hpe_edge.errors import BackendError

_TELEMETRY = "openvino_telemetry"
_ABSENT = object()
_lock = threading.Lock()
_cores: list[Any] = []


def load_openvino() -> Any:
    """Import the package without its telemetry.

    The import sends telemetry and writes a user id into the home folder, unless a file there opts out; there is no
    environment variable for it. The telemetry package is optional, so it is hidden during the import. A program that
    imported openvino earlier is not affected.

    Raises:
        BackendError: it is not installed, or its libraries cannot be loaded.
    """
    with _lock:
        before = sys.modules.get(_TELEMETRY, _ABSENT)
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # makes its import fail
        try:
            return importlib.import_module("openvino")
        except (ImportError, OSError, RuntimeError) as error:
            raise BackendError(
                f"backend='openvino' needs OpenVINO, which cannot be imported here ({error}): run `pip install "
                "openvino`, or leave it out"
            ) from None
        finally:
            if before is _ABSENT:
                del sys.modules[_TELEMETRY]
            else:
                sys.modules[_TELEMETRY] = before  # type: ignore[assignment]


def shared_core() -> Any:
    """Return OpenVINO's core, shared by all engines until the process ends.

    With its first CPU model a core installs another signal stack for the thread, and restores the previous one when it
    is destroyed. Of two cores destroyed in the order of their creation, the second restores the stack of the first,
    which is freed by then: the next Ctrl-C ends in a segmentation fault (found with 2026.4).

    Raises:
        BackendError: see :func:`load_openvino`.
    """
    ov = load_openvino()
    with _lock:
        if not _cores:
            _cores.append(ov.Core())
        return _cores[0]


def short_error(error: Exception) -> str:
    """Return an OpenVINO error in one line, without source locations."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("Exception from ", "Check '", "FrontEnd API "))]
    return " ".join(kept or lines)
