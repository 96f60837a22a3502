"""Import of the openvino package on demand, without telemetry, and one core shared by all engines."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

from hpe_edge.errors import BackendError

_REPORTS = "openvino_telemetry"
_ABSENT = object()
_lock = threading.Lock()
_cores: list[Any] = []


def load_openvino() -> Any:
    """The package.

    Its import sends telemetry and writes a user id into the home folder, unless a file there opts out; there is no
    environment variable for it. The telemetry package is optional, so it is hidden during the import. A program that
    imported openvino earlier is not affected.

    Raises:
        BackendError: it is not installed, or its libraries cannot be loaded.
    """
    with _lock:
        before = sys.modules.get(_REPORTS, _ABSENT)
        sys.modules[_REPORTS] = None  # type: ignore[assignment]  # by which Python refuses to import it
        try:
            return importlib.import_module("openvino")
        except (ImportError, OSError, RuntimeError) as error:
            raise BackendError(
                f"backend='openvino' needs OpenVINO, which cannot be imported here ({error}): run `pip install "
                "openvino`, or leave it out"
            ) from None
        finally:
            if before is _ABSENT:
                del sys.modules[_REPORTS]
            else:
                sys.modules[_REPORTS] = before  # type: ignore[assignment]


def shared_core() -> Any:
    """OpenVINO's core, the same for all engines and to the end of the process.

    With its first model for the CPU a core gives the thread another stack for signals, and takes it back when it goes.
    Of two cores that go in the order in which they came, the second gives the thread the first one's again, which is
    freed by then: the next Ctrl-C ends the process with a segmentation fault (found with 2026.4).

    Raises:
        BackendError: see :func:`load_openvino`.
    """
    ov = load_openvino()
    with _lock:
        if not _cores:
            _cores.append(ov.Core())
        return _cores[0]


def short_error(error: Exception) -> str:
    """An error of OpenVINO in one line, without its source locations."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("Exception from ", "Check '", "FrontEnd API "))]
    return " ".join(kept or lines)
