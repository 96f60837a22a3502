"""A model's first run by OpenVINO, in a child process.

OpenVINO (2026.4) ends the process by SIGSEGV at about one damaged ONNX file in fifty, at conversion, at compilation or
at the first run. A file is so loaded in a child first; the cache keeps a mark for each that passed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from hpe_edge.backends.options import Precision
from hpe_edge.errors import BackendError, ModelError
from hpe_edge.models import FOLDER
from hpe_edge.util.cache_folder import cache_folder
from hpe_edge.util.child_process import ChildError, run_in_child

_CHILD = f"{__package__}.child_run"
LIMIT_S = 300.0  # an NPU's compiler takes minutes


def check_in_child(paths: Sequence[Path], device: str, precision: Precision, version: str) -> None:
    """Load a model in a child and run it once, unless the same bytes have passed before, or are hpe_edge's own.

    Errors that are raised there are not raised here: loading will raise them again.

    Args:
        paths: the ONNX file, and the files of its weights.
        device, precision: of the backend.
        version: OpenVINO's.

    Raises:
        ModelError: OpenVINO crashed or did not end.
        BackendError: no child can be started.
    """
    path = paths[0]
    if path.resolve().parent == FOLDER.resolve():
        return
    digest = hashlib.sha256("\0".join((device, precision, version)).encode())
    for each in paths:
        try:
            digest.update(hashlib.sha256(each.read_bytes()).digest())
        except OSError as error:
            raise ModelError(f"{each} cannot be read: {error.strerror}") from None
    mark = cache_folder("openvino-first-runs") / digest.hexdigest()
    if mark.exists():
        return
    try:
        passed = run_in_child(_CHILD, [str(path), device, precision], LIMIT_S)
    except ChildError as error:
        raise ModelError(
            f"{path}: OpenVINO {error} with this file, in a process of its own; the file may be damaged: fetch it "
            "again from where you trust it, or run it without backend='openvino'"
        ) from None
    except OSError as error:
        raise BackendError(
            f"OpenVINO's first run of {path} needs a child process, which cannot start: {error}"
        ) from None
    if passed:
        with contextlib.suppress(OSError):  # the check is then made each time
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
